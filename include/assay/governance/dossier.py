"""What the page of one dossier shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from assay.core import Check, GroupMetrics, UserError, Verdict, sha256_bytes
from assay.governance.figures import Picture, Scale, picture, scale_of
from assay.governance.words import GATES, TASKS
from assay.policy import Policy, parse_policy
from assay.registry.dossier import BEFORE_TRAINING, Dossier
from assay.registry.summaries import Summary, summarise

_POLICY = "policy.yaml"
_SEVERITY = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Checks of one kind, drawn on one scale; those without a picture form a family without a scale."""

    title: str
    scale: Scale | None
    rows: Sequence[tuple[Check, Picture | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupTable:
    """Every metric of the groups that the same columns make."""

    columns: Sequence[str]
    metrics: Sequence[str]
    groups: Sequence[GroupMetrics]


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One verdict on the page.

    Attributes
    ----------
    anchors
        Fragments that lead here: gate and task for a gate's latest verdict, ``gate-attempt`` for earlier ones.
    elsewhere
        Sentences about what this verdict was about, where the run is now about something else.
    """

    verdict: Verdict
    digest: str
    anchors: Sequence[str]
    elsewhere: Sequence[str]
    families: Sequence[Family]
    tables: Sequence[GroupTable]


@dataclass(frozen=True, kw_only=True, slots=True)
class DossierPage:
    """One dossier, its chain checked.

    Attributes
    ----------
    policy
        The policy that was stored with the run; None when it cannot be shown.
    policy_doubt
        Why it cannot be shown, or not be trusted; empty when all is well.
    waiting
        Gates of a retraining that have no verdict yet.
    """

    summary: Summary
    policy: Policy | None
    policy_doubt: str
    sections: Sequence[Section]
    waiting: Sequence[str]

    @property
    def latest(self) -> dict[str, Section]:
        """The section that counts for each gate."""
        return {section.verdict.gate: section for section in self.sections}


def dossier_page(dossier: Dossier) -> DossierPage:
    """Read a dossier for its page.

    Raises
    ------
    EvidenceError
        When the chain is broken: then no verdict may be shown.
    UnavailableError
        When MLflow does not answer.
    """
    summary = summarise(dossier)
    chain = dossier.verdicts()
    policy, doubt = _policy(dossier, summary.facts.get("policy_sha256"))
    last = {verdict.gate: position for position, verdict in enumerate(chain)}
    return DossierPage(
        summary=summary,
        policy=policy,
        policy_doubt=doubt,
        sections=[
            section(verdict, latest=last[verdict.gate] == position, facts=summary.facts)
            for position, verdict in enumerate(chain)
        ],
        waiting=[gate for gate in GATES if gate not in last],
    )


def section(verdict: Verdict, *, latest: bool, facts: Mapping[str, str]) -> Section:
    """Lay out one verdict: worst family first, and in each family the worst check first."""
    gate = verdict.gate
    anchors = [gate, TASKS.get(gate, gate)] if latest else [f"{gate}-{verdict.attempt}"]
    return Section(
        verdict=verdict,
        digest=verdict.digest,
        anchors=list(dict.fromkeys(anchors)),
        elsewhere=list(_elsewhere(verdict, facts)),
        families=_families(verdict.checks),
        tables=_tables(verdict.groups),
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


def _elsewhere(verdict: Verdict, facts: Mapping[str, str]) -> Iterator[str]:
    now = {
        "policy": (verdict.policy_sha256, facts.get("policy_sha256")),
        "snapshot": (verdict.snapshot, facts.get("snapshot")),
        "code version": (verdict.code_version, facts.get("code_version")),
        "model": (verdict.model, facts.get("candidate_sha256")),
    }
    for part, (seen, wanted) in now.items():
        untrained = part == "model" and seen is None and verdict.gate in BEFORE_TRAINING
        if seen != wanted and not untrained:
            yield f"Judged on another {part} than this run's present one: {seen or 'none'}, not {wanted or 'none'}."


def _worst_first(check: Check) -> tuple[int, int]:
    return -_SEVERITY[check.severity], -check.outcome.rank


def _families(checks: Sequence[Check]) -> list[Family]:
    kinds: dict[tuple[str | None, str | None], list[Check]] = {}
    for check in checks:
        kinds.setdefault((check.metric, check.compare), []).append(check)
    drawn, plain = [], []
    for (metric, compare), members in kinds.items():
        scale = scale_of(members)
        if scale is None:
            plain += members
        else:
            title = " ".join(part.replace("_", " ") for part in (metric, compare) if part and part != "level")
            drawn.append(_family(title, scale, members))
    drawn.sort(key=lambda family: _worst_first(family.rows[0][0]))
    return [*drawn, _family("", None, plain)] if plain else drawn


def _family(title: str, scale: Scale | None, checks: Sequence[Check]) -> Family:
    ordered = sorted(checks, key=_worst_first)
    return Family(title=title, scale=scale, rows=[(check, picture(check, scale)) for check in ordered])


def _tables(groups: Sequence[GroupMetrics]) -> list[GroupTable]:
    tables = []
    for columns, members in groupby(
        sorted(groups, key=lambda g: (len(g.group), list(g.group))), lambda g: list(g.group)
    ):
        rows = list(members)
        metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
        tables.append(GroupTable(columns=columns, metrics=metrics, groups=rows))
    return tables
