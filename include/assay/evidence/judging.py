"""Judge a gate from stored things alone: snapshot, policy, contract, model bytes and seed.

The pipeline judges through here and so does a replay, months later: there is no second way of measuring.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Check, Judgement, Outcome, problem

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from assay.data.quarantine import Sifted
    from assay.data.snapshots import Snapshot
    from assay.gates.contract import ContractEvidence
    from assay.policy import Policy
    from assay.training.onnx_model import OnnxModel


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
    before
        The model that the candidate was made from by mitigation; None for one that is as trained.
    attempts
        For each gate that counts them, which attempt on the snapshot the candidate is.
    reference
        The data that the champion of the time was made from; None where nothing served, or from the same.
    history
        Of each earlier snapshot, the oldest first, ``rows`` and ``taken_at``, a time in UTC.
    taken_at
        When the run's taking read the rows; None for the latest taking of them.
    lost
        Why there is no `reference` although something served; empty otherwise.
    sifted
        What was set aside when the rows were taken; None where bad rows were to block, or in a case without a run.
    """

    policy: "Policy"
    contract: Path
    snapshot: "Snapshot"
    seed: int
    onnx: "OnnxModel | None" = None
    champion: "tuple[int, OnnxModel] | None" = None
    before: "OnnxModel | None" = None
    attempts: Mapping[str, int] = field(default_factory=dict)
    reference: "Snapshot | None" = None
    history: Sequence[Mapping[str, Any]] = ()
    taken_at: datetime | None = None
    lost: str = ""
    sifted: "Sifted | None" = None

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

    @property
    def validated_on(self) -> "NDArray[np.bool_]":
        """Which of `rows` are kept from training to choose by."""
        from assay.data.dealing import VALIDATION

        kept: NDArray[np.bool_] = self.sides == VALIDATION
        return kept

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


def judge_gate(case: Case, gate: str, *, report: Callable[[str], None] | None = None) -> Judgement:
    """Measure and judge.

    Parameters
    ----------
    case
        With a candidate for every gate but ``contract``.
    gate
        One of `GATES`.
    report
        Is told from time to time how far the gate that may take long, ``contract``, has come.

    Raises
    ------
    UserError
        When the stored things do not fit together: a column that the snapshot does not have, say.
    """
    return _contract(case, report) if gate == "contract" else _JUDGES[gate](case)


def broken(gate: str, reason: str) -> Judgement:
    """The judgement of a gate that could not be measured."""
    return Judgement(outcome=Outcome.ERROR, checks=[Check(name=gate, outcome=Outcome.ERROR, reason=reason)])


def _contract(case: Case, report: Callable[[str], None] | None = None) -> Judgement:
    from assay.gates import contract

    policy, data, files = case.policy.gates.contract, case.policy.data, case.snapshot.files()
    suite = contract.load_suite(case.contract)
    evidence = _met(case, suite, report)
    roles = replace(contract.builtin.Roles.of(data), rekeyed=_rekeyed(case))
    reference = [] if case.reference is None else case.reference.files()
    beyond = contract.builtin.measure(
        files=files,
        roles=roles,
        policy=policy,
        reference=reference,
        history=[contract.builtin.Past.from_dict(each) for each in case.history],
        split=contract.builtin.Split(training=case.trained_on, testing=case.held_out),
        fairness=case.policy.gates.fairness,
        taken_at=case.taken_at or case.snapshot.taken_at,
        report=report,
    )
    judged = contract.described(
        contract.judge(replace(evidence, beyond=beyond), policy),
        files=files,
        suite=suite,
        roles=roles,
        policy=policy,
        reference=reference,
        report=report,
    )
    if not case.lost or policy.shift is None:
        return judged
    # told and not held against the run: that those data are gone is what their own policy asked for
    unseen = Check(name="shift", outcome=Outcome.INCONCLUSIVE, severity="warning", reason=case.lost)
    return replace(judged, checks=[*judged.checks, unseen])


def _met(case: Case, suite: Mapping[str, Any], report: Callable[[str], None] | None) -> "ContractEvidence":
    """What the suite finds; a snapshot that rows were set aside from is judged by that, as long as the limit stands."""
    from assay.gates import contract

    policy, key, files, sifted = case.policy.gates.contract, case.policy.data.key, case.snapshot.files(), case.sifted
    if sifted is None or sifted.limit != policy.max_quarantined:
        every = [*files, *(sifted.files() if sifted else ())]
        return contract.measure(files=every, suite=suite, policy=policy, key=key, report=report)
    found = contract.measure(files=files, suite=suite, key=key, report=report)
    done = sifted.set_aside == sifted.bad
    return contract.as_taken(found, read=sifted.read, bad=sifted.bad, reasons=sifted.reasons, set_aside=done)


def _rekeyed(case: Case) -> list[str]:
    from assay.data.terms import rekeyed

    return [] if case.reference is None else rekeyed(case.reference.manifest, case.snapshot.manifest)


def _performance(case: Case) -> Judgement:
    from assay.data.features import encode
    from assay.gates import performance

    policy, candidate = case.policy.gates.performance, case.candidate
    version, champion = (case.champion if policy.compares else None) or (None, None)
    rows, label = case.holdout(also=champion.inputs if champion else ())
    inputs, score, prediction = _answers(candidate, rows)
    _, rival_score, rival_prediction = (None, None, None) if champion is None else _answers(champion, rows)
    columns = dict.fromkeys([*policy.slice_columns, *case.policy.data.sensitive])
    evidence = performance.measure(
        label=label,
        score=score,
        champion_score=rival_score,
        policy=policy,
        seed=case.seed,
        prediction=prediction,
        champion_prediction=rival_prediction,
        columns={name: encode(rows[name], "text")[:, 0] for name in columns},
        inputs=inputs,
        model=lambda asked: candidate.decide(asked, candidate.score(asked)),
        size=len(candidate.content),
    )
    return _against(version, performance.judge(evidence, policy, attempt=case.attempts.get("performance")))


def _fairness(case: Case) -> Judgement:
    from assay.data.features import encode
    from assay.gates import fairness

    rows, label = case.holdout()
    policy, mitigation = case.policy.gates.fairness, case.policy.mitigation
    _, score, prediction = _answers(case.candidate, rows)
    evidence = fairness.measure(
        label=label,
        prediction=prediction,
        before=None if case.before is None else _answers(case.before, rows)[2],
        groups={column: encode(rows[column], "text")[:, 0] for column in policy.columns},
        policy=policy,
        score=score if policy.scored else None,
    )
    return fairness.judge(
        evidence,
        policy,
        attempt=case.attempts.get("fairness"),
        max_accuracy_loss=None if case.before is None or mitigation is None else mitigation.max_accuracy_loss,
    )


def _robustness(case: Case) -> Judgement:
    from assay.data.features import model_inputs
    from assay.gates import robustness

    rows, label = case.holdout()
    policy = case.policy.gates.robustness
    evidence = robustness.measure(
        score=case.candidate.score,
        inputs=model_inputs(rows, case.candidate.features),
        label=label,
        policy=policy,
        seed=case.seed,
    )
    return robustness.judge(evidence, policy, attempt=case.attempts.get("robustness"))


_JUDGES: Mapping[str, Callable[[Case], Judgement]] = {
    "contract": _contract,
    "performance": _performance,
    "fairness": _fairness,
    "robustness": _robustness,
}
GATES = tuple(_JUDGES)
"""The gates that follow from stored things, in the order in which a run passes them."""


def _answers(
    model: "OnnxModel", rows: "pa.Table"
) -> "tuple[dict[str, NDArray[Any]], NDArray[np.float64], NDArray[np.bool_]]":
    """A model's inputs, its scores and its decisions."""
    from assay.data.features import model_inputs

    inputs = model_inputs(rows, model.inputs)
    score = model.score(inputs)
    return inputs, score, model.decide(inputs, score)


def _against(version: int | None, judgement: Judgement) -> Judgement:
    """Name the champion in the comparisons with it: another may serve by the time they are read."""
    sides = ({"version": "candidate"}, {"version": str(version)})
    checks = [replace(check, groups=sides) if check.compare == "difference" else check for check in judgement.checks]
    return replace(judgement, checks=checks)
