"""Judge a gate, or train, from stored things alone: snapshot, policy, contract, model bytes and seed.

The pipeline judges through here and so does a replay, months later: there is no second way of measuring.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core import Check, Judgement, Outcome, problem

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from assay.data.snapshots import Snapshot
    from assay.policy import Policy
    from assay.training.onnx_model import Kind, OnnxModel


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that a gate's judgement follows from.

    Attributes
    ----------
    policy
        Which columns, which checks, which limits.
    contract
        File with the data contract.
    snapshot
        The data.
    seed
        Seed of the training and of every gate's resampling.
    onnx
        The candidate; None before training.
    champion
        The version that the candidate is compared with, and its model; None where nothing served.
    """

    policy: "Policy"
    contract: Path
    snapshot: "Snapshot"
    seed: int
    onnx: "OnnxModel | None" = None
    champion: "tuple[int, OnnxModel] | None" = None

    @property
    def candidate(self) -> "OnnxModel":
        """The candidate.

        Raises
        ------
        UserError
            Before training.
        """
        if self.onnx is None:
            raise problem("candidate", "there is no model to judge", "train one first")
        return self.onnx

    @cached_property
    def rows(self) -> "pa.Table":
        """The snapshot's rows with the columns that the policy names."""
        return self.snapshot.table(self.policy.data.columns)

    @cached_property
    def sides(self) -> "NDArray[np.uint8]":
        """Whether each of `rows` is for training, validation or test."""
        from assay.data.dealing import deal

        return deal(self.rows, self.policy.data).sides

    @property
    def held_out(self) -> "NDArray[np.bool_]":
        """Which of `rows` the gates test on."""
        from assay.data.dealing import TEST

        tested: NDArray[np.bool_] = self.sides == TEST
        return tested

    @property
    def trained_on(self) -> "NDArray[np.bool_]":
        """Which of `rows` training sees: neither those for test nor those for validation."""
        from assay.data.dealing import TRAIN

        seen: NDArray[np.bool_] = self.sides == TRAIN
        return seen

    def holdout(self, *, also: Iterable[str] = ()) -> tuple["pa.Table", "NDArray[np.bool_]"]:
        """The held-out rows, and which of them are positive.

        Parameters
        ----------
        also
            Columns of the snapshot beside those that the policy names: a champion may read features
            that the policy has dropped since.
        """
        from assay.data.features import positives

        data = self.policy.data
        columns = [*data.columns, *(name for name in also if name not in data.columns)]
        rows = (self.rows if columns == data.columns else self.snapshot.table(columns)).filter(self.held_out)
        return rows, positives(rows[data.label], data.positive)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What training makes.

    Attributes
    ----------
    onnx, reference
        The served form, and the scikit-learn original in skops' format.
    kinds
        Feature name to kind, in the model's order.
    parity
        Largest difference between both forms' probabilities on the held-out rows.
    training_rows, holdout_rows
        How many rows it saw, and how many it did not.
    """

    onnx: bytes
    reference: bytes
    kinds: Mapping[str, "Kind"]
    parity: float
    training_rows: int
    holdout_rows: int


def judge_gate(case: Case, gate: str) -> Judgement:
    """Measure and judge.

    Parameters
    ----------
    case
        With a candidate for every gate but ``contract``.
    gate
        One of `GATES`.

    Raises
    ------
    UserError
        When the stored things do not fit together: a column that the snapshot does not have, say.
    """
    return _JUDGES[gate](case)


def broken(gate: str, reason: str) -> Judgement:
    """The judgement of a gate that could not be measured."""
    return Judgement(outcome=Outcome.ERROR, checks=[Check(name=gate, outcome=Outcome.ERROR, reason=reason)])


def train(case: Case, module: Path) -> Trained:
    """Train a candidate, export it, and check that both forms agree.

    Parameters
    ----------
    case
        Its candidate, if it has one, is not looked at.
    module
        The team's `train.py`.

    Raises
    ------
    UserError
        When no row is held out, or the team's code or its pipeline is not what it must be.
    """
    import pandas as pd

    from assay.data.features import kinds, model_inputs, positives, training_frame
    from assay.training.export import check_parity, export, reference
    from assay.training.onnx_model import OnnxModel
    from assay.training.run import fit

    policy, data = case.policy, case.policy.data
    types = kinds(case.rows.schema, data.features)
    seen, unseen = case.rows.filter(case.trained_on), case.rows.filter(case.held_out)
    if not (seen.num_rows and unseen.num_rows):
        raise problem("data.holdout", f"holds out {unseen.num_rows} of {case.rows.num_rows} rows", "give more rows")
    classes = _classes(case)
    pipeline = fit(
        module=module,
        features=training_frame(seen, types),
        label=pd.Series(positives(seen[data.label], data.positive).astype(int), name=data.label),
        seed=case.seed,
        parameters=policy.training.parameters,
    )
    onnx = export(pipeline, kinds=types, model=policy.model, classes=classes, threshold=policy.training.threshold)
    parity = check_parity(
        pipeline, OnnxModel(onnx), frame=training_frame(unseen, types), inputs=model_inputs(unseen, types)
    )
    return Trained(
        onnx=onnx,
        reference=reference(pipeline),
        kinds=types,
        parity=parity,
        training_rows=seen.num_rows,
        holdout_rows=unseen.num_rows,
    )


def _contract(case: Case) -> Judgement:
    from assay.gates import contract

    policy, suite = case.policy.gates.contract, contract.load_suite(case.contract)
    evidence = contract.measure(files=case.snapshot.files(), suite=suite, policy=policy, key=case.policy.data.key)
    return contract.judge(evidence, policy)


def _performance(case: Case) -> Judgement:
    from assay.data.features import model_inputs
    from assay.gates import performance

    policy = case.policy.gates.performance
    version, champion = (case.champion if policy.champion else None) or (None, None)
    rows, label = case.holdout(also=champion.inputs if champion else ())
    evidence = performance.measure(
        label=label,
        score=case.candidate.score(model_inputs(rows, case.candidate.inputs)),
        champion_score=None if champion is None else champion.score(model_inputs(rows, champion.inputs)),
        policy=policy,
        seed=case.seed,
    )
    return _against(version, performance.judge(evidence, policy))


def _fairness(case: Case) -> Judgement:
    from assay.data.features import encode, model_inputs
    from assay.gates import fairness

    rows, label = case.holdout()
    policy = case.policy.gates.fairness
    score = case.candidate.score(model_inputs(rows, case.candidate.inputs))
    evidence = fairness.measure(
        label=label,
        prediction=score >= case.candidate.threshold,
        groups={column: encode(rows[column], "text")[:, 0] for column in policy.columns},
        policy=policy,
        score=score if policy.scored else None,
    )
    return fairness.judge(evidence, policy)


def _robustness(case: Case) -> Judgement:
    from assay.data.features import model_inputs
    from assay.gates import robustness

    rows, label = case.holdout()
    policy = case.policy.gates.robustness
    evidence = robustness.measure(
        score=case.candidate.score,
        inputs=model_inputs(rows, case.candidate.inputs),
        label=label,
        policy=policy,
        seed=case.seed,
    )
    return robustness.judge(evidence, policy)


_JUDGES: Mapping[str, Callable[[Case], Judgement]] = {
    "contract": _contract,
    "performance": _performance,
    "fairness": _fairness,
    "robustness": _robustness,
}
GATES = tuple(_JUDGES)
"""The gates that follow from stored things, in the order in which a run passes them."""


def _against(version: int | None, judgement: Judgement) -> Judgement:
    """Name the champion in the comparisons with it: another may serve by the time they are read."""
    sides = ({"version": "candidate"}, {"version": str(version)})
    checks = [replace(check, groups=sides) if check.compare == "difference" else check for check in judgement.checks]
    return replace(judgement, checks=checks)


def _classes(case: Case) -> tuple[str, str]:
    """The negative and the positive class, as text."""
    import pyarrow.compute as pc

    from assay.data.features import encode, positives

    data = case.policy.data
    found = encode(pc.unique(case.rows[data.label]), "text")[:, 0]
    positive = positives(found, data.positive)
    if len(found) != 2 or positive.sum() != 1:
        raise problem(
            data.label, f"has the classes {', '.join(map(repr, found))}", "a label has two, one being `positive`"
        )
    return str(found[~positive][0]), str(found[positive][0])
