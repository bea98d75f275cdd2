"""What the page of one dossier shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from assay.core import UserError, Verdict, sha256_bytes
from assay.governance.chain import Chain, Entry
from assay.governance.sections import Section, sections
from assay.governance.verdict.sheet import Judged
from assay.governance.waived import Excuses
from assay.governance.words import GATES
from assay.policy import APPROVALS, TIERS, Policy, Tier, parse_policy
from assay.registry.dossier import Dossier

_POLICY = "inputs/policy.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A person's answer, and what it was given for.

    Attributes
    ----------
    outcome, reason
        Whether it counts, and what was said.
    head, number
        The record that was the dossier's last when the question was asked; None where nobody asked.
    """

    role: str
    who: str
    at: str
    outcome: str
    reason: str
    head: str | None
    number: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DossierPage:
    """One dossier.

    Attributes
    ----------
    chain
        Its records, and what is wrong with them; the rest of the page comes from those that hold.
    facts
        Kind of event to the facts of the latest.
    policy
        The policy that was stored with the run; None when it cannot be shown.
    policy_doubt
        Why it cannot be shown, or not be trusted; empty when all is well.
    mitigations
        The records of what was done to make a model fairer.
    waiting
        Gates of a retraining that have no verdict yet.
    """

    model: str
    run_id: str
    chain: Chain
    facts: Mapping[str, Mapping[str, Any]]
    policy: Policy | None
    policy_doubt: str
    sections: Sequence[Section]
    answers: Sequence[Answer]
    mitigations: Sequence[Entry]
    waiting: Sequence[str]

    @property
    def latest(self) -> dict[str, Section]:
        """The section that counts for each gate."""
        return {section.verdict.gate: section for section in self.sections}

    @property
    def waived(self) -> list[tuple[Section, Judged]]:
        """Every check of the verdicts that count which went on by a waiver."""
        return [(each, judged) for each in self.latest.values() for judged in each.sheet.waived]

    def numbered(self, number: int) -> Section | None:
        """The verdict that is a record of this number; None when that is none."""
        return next((each for each in self.sections if each.number == number), None)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model,
            "dossier": self.run_id,
            "holds": not self.chain.doubts,
            "doubts": list(self.chain.doubts),
            "records": [entry.to_dict() for entry in self.chain.entries],
        }


def dossier_page(dossier: Dossier, *, today: date | None = None) -> DossierPage:
    """Read a dossier for its page, whether its chain holds or not.

    Raises
    ------
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    chain = Chain.of(dossier)
    facts = chain.facts
    policy, doubt = _policy(dossier, facts.get("request", {}).get("policy_sha256"))
    tier = _tier(facts, policy)
    excuses = Excuses.recorded(chain.records, dossier.keyring, tier, today=today or datetime.now(UTC).date())
    records = {each.number: each.record for each in chain.entries if each.record is not None and not each.doubt}
    judged = {record.gate for record in records.values() if isinstance(record, Verdict)}
    return DossierPage(
        model=dossier.model,
        run_id=dossier.run_id,
        chain=chain,
        facts=facts,
        policy=policy,
        policy_doubt=doubt,
        sections=sections(records, subject=_subject(facts), excuses=excuses),
        answers=_answers(chain),
        mitigations=[each for each in chain.entries if each.kind == "mitigation" and each.record and not each.doubt],
        waiting=[gate for gate in _expected(tier) if gate not in judged],
    )


def _policy(dossier: Dossier, recorded: str | None) -> tuple[Policy | None, str]:
    if not dossier.holds(_POLICY):
        return None, "No policy is stored with this run."
    content = dossier.read(_POLICY)
    digest = sha256_bytes(content)
    doubt = "" if digest == recorded else f"The stored policy has the digest {digest}, not the one recorded."
    try:
        return parse_policy(content, _POLICY), doubt
    except UserError as error:
        return None, f"{doubt} The stored policy cannot be read by this version of Assay: {error}".strip()


def _tier(facts: Mapping[str, Mapping[str, Any]], policy: Policy | None) -> Tier | None:
    recorded = facts.get("request", {}).get("risk_tier")
    if recorded:
        return TIERS.get(recorded)
    return None if policy is None else policy.tier


def _subject(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    return {
        "policy": facts.get("request", {}).get("policy_sha256"),
        "snapshot": facts.get("snapshot", {}).get("snapshot"),
        "code version": facts.get("request", {}).get("code_version"),
        "model": facts.get("registration", facts.get("training", {})).get("sha256"),
    }


def _expected(tier: Tier | None) -> list[str]:
    others = {gate for role, gate in APPROVALS.items() if tier is None or role not in tier.roles}
    return [gate for gate in GATES if gate not in others or gate == "approval"]


def _answers(chain: Chain) -> list[Answer]:
    answers = []
    asked: dict[str, str | None] = {}
    for record in chain.records:
        if record.kind == "approval_request" and not isinstance(record, Verdict):
            asked[str(record.facts.get("role"))] = record.facts.get("head")
        if isinstance(record, Verdict) and record.gate in APPROVALS.values():
            said = record.checks[0] if record.checks else None
            person = next(iter((said and said.groups) or [{}]), {})
            role = next(role for role, gate in APPROVALS.items() if gate == record.gate)
            head = asked.get(role)
            answers.append(
                Answer(
                    role=role,
                    who=person.get("who", ""),
                    at=person.get("at") or record.started_at,
                    outcome=str(record.outcome),
                    reason=person.get("reason") or (said.reason if said else ""),
                    head=head,
                    number=None if head is None else chain.number_of(head),
                )
            )
    return answers
