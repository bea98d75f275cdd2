"""The addresses of a model's checks, as its policy and contract give them: what a waiver can be about."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.core import Check, problem
from assay.gates import distinct_names
from assay.gates.performance.names import check_names
from assay.policy.builtin import BuiltInCheck

if TYPE_CHECKING:
    from assay.core import Settings
    from assay.policy import ModelFolder, Policy


def check_addresses(folder: "ModelFolder") -> list[str]:
    """Every check that the model's gates make, as ``gate/check`` or ``gate/check/attribute``, in their order.

    Raises
    ------
    UserError
        When the contract cannot be read.
    """
    return [*_contract(folder), *_gates(folder.policy)]


def is_address(address: str, known: Sequence[str]) -> bool:
    """Whether an address names one of the known checks, or all attributes of one.

    Examples
    --------
    >>> [is_address(each, ["fairness/tpr_difference/sex"]) for each in ("fairness/tpr_difference", "fairness/tpr")]
    [True, False]
    """
    return any(each == address or each.startswith(f"{address}/") for each in known)


def latest_checks(settings: "Settings", model: str, gate: str) -> list[Check]:
    """The checks of the latest verdict that a gate gave, in whichever of the recent runs; none without one.

    Raises
    ------
    EvidenceError
        When that run's dossier is broken.
    UnavailableError
        When MLflow does not answer.
    """
    from assay.evidence.opening import archive
    from assay.registry.summaries import list_dossiers

    for each in list_dossiers(settings, model=model):
        if gate in each.outcomes:
            found = [verdict for verdict in archive(settings).load(each.run_id).verdicts() if verdict.gate == gate]
            return list(found[-1].checks) if found else []
    return []


def _gates(policy: "Policy") -> Iterator[str]:
    from assay.gates.fairness import named_checks

    gates = policy.gates
    for name, attribute in check_names(gates.performance, rival=True):
        yield "/".join(filter(None, ["performance", name, attribute]))
    for attribute in map("*".join, gates.fairness.attributes):
        yield from (f"fairness/{name}/{attribute}" for name, _ in named_checks(gates.fairness, attribute))
    if policy.mitigation is not None and policy.mitigation.max_accuracy_loss is not None:
        yield "fairness/accuracy_paid"
    for name in distinct_names([f"{check.metric}_drop_{check.scenario}" for check in gates.robustness.checks]):
        yield f"robustness/{name}"


def _contract(folder: "ModelFolder") -> Iterator[str]:
    """As `gates.contract` names its checks; that gate itself costs seconds to import."""
    try:
        entries = json.loads(folder.contract.read_bytes())["expectations"]
        found = [(each.get("type") or each["expectation_type"], each.get("kwargs", {})) for each in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise problem(str(folder.contract), "is not a contract that can be read") from None
    seen: Counter[tuple[str, str]] = Counter()
    for name, arguments in found:
        attribute = _attribute(name, arguments)
        seen[name, attribute] += 1
        nth = seen[name, attribute]
        yield "/".join(filter(None, ["contract", name if nth == 1 else f"{name}:{nth}", attribute]))
    made = [name for name, part in dict(folder.policy.gates.contract).items() if isinstance(part, BuiltInCheck)]
    yield from (f"contract/{name}" for name in made)  # which column such a check is about, the data tell


def _attribute(name: str, arguments: Mapping[str, Any]) -> str:
    if name.startswith("expect_table_"):
        return ""
    single = [arguments[key] for key in ("column", "column_A", "column_B") if arguments.get(key) is not None]
    return "*".join(map(str, [*single, *(arguments.get("column_list") or [])]))
