"""The course of a run: which gate follows which, and what an outcome means for the run.

One table for all that walk it: the pipeline in Airflow, and a dry run at a desk.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.core import Outcome
from assay.evidence.judging import GATES
from assay.registry.dossier import BEFORE_TRAINING as BEFORE_TRAINING

if TYPE_CHECKING:
    from assay.policy import Policy

DATA_GATES = tuple(gate for gate in GATES if gate in BEFORE_TRAINING)
"""The gates that judge the data, in their order."""

CANDIDATE_GATES = tuple(gate for gate in GATES if gate not in BEFORE_TRAINING)
"""The gates that judge a candidate, in their order."""

MITIGABLE = "fairness"
"""The gate whose FAIL a mitigation answers to."""

JUDGED_AGAIN = CANDIDATE_GATES[: CANDIDATE_GATES.index(MITIGABLE) + 1]
"""The gates that judge what mitigation made, before the run goes on to the next."""

TASKS: Mapping[str, str] = {
    gate: "data_validation" if gate in BEFORE_TRAINING else f"{gate}_gate" for gate in GATES
}  # fmt: skip
"""Gate to the name of its task."""


def task(gate: str, *, mitigated: bool = False) -> str:
    """The name of a gate's task; that for what mitigation made is another.

    Examples
    --------
    >>> [task("contract"), task("fairness"), task("fairness", mitigated=True), task("robustness", mitigated=True)]
    ['data_validation', 'fairness_gate', 'mitigated_fairness_gate', 'robustness_gate']
    """
    name = TASKS.get(gate, gate)
    return f"mitigated_{name}" if mitigated and gate in JUDGED_AGAIN else name


def reviewed(policy: "Policy") -> set[str]:
    """Gates whose INCONCLUSIVE the policy sends to a person instead of stopping the run."""
    return {name for name, part in dict(policy.gates).items() if part.on_inconclusive == "review"}


def goes_on(policy: "Policy", gate: str, outcome: Outcome) -> bool:
    """Whether a run goes on after a verdict, waivers aside."""
    return outcome is Outcome.PASS or (outcome is Outcome.INCONCLUSIVE and gate in reviewed(policy))


def calls_for_mitigation(gate: str, outcome: Outcome) -> bool:
    """Whether a verdict is one that the policy's mitigation, if it names one, answers to."""
    return gate == MITIGABLE and outcome is Outcome.FAIL
