"""Waivers: signed, short-lived exceptions to single checks."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import (
    Check,
    Event,
    Outcome,
    Problem,
    Record,
    UserError,
    Verdict,
    canonical_json,
    sha256_json,
    utc_now,
)
from assay.core.text import says_something
from assay.policy import Policy, Tier
from assay.registry.dossier import EvidenceError
from assay.registry.keys import PLATFORM, Keyring, Signature, is_person

if TYPE_CHECKING:
    from sqlalchemy import Engine

WAIVABLE = ("contract", "performance", "fairness", "robustness")
"""Gates whose checks can be waived. A person's answer and a canary's evidence cannot."""
UNWAIVABLE = {("contract", "quarantine"): "raise gates.contract.max_quarantined in the policy, or mend the source"}
"""Checks that cannot be, and what to do: a waiver sets no row aside, the bad ones would be trained on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """One person's signature under a waiver."""

    name: str
    at: str
    key: str
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """An exception to one check of one model.

    Attributes
    ----------
    gate, check, attribute
        Which check. With an attribute of None, the check for whatever attribute.
    reason, owner
        Why, and who answers for it.
    made_at
        UTC time, ISO 8601.
    expires
        The last day on which it counts, UTC.
    signatures
        Each covers everything above, the name of whoever signed, and when.
    """

    model: str
    gate: str
    check: str
    attribute: str | None
    reason: str
    owner: str
    made_at: str
    expires: str
    signatures: tuple[Signed, ...] = ()

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of what it says."""
        return sha256_json(self.document())[:16]

    @property
    def address(self) -> str:
        """The check as `assay waive --check` takes it."""
        return "/".join(filter(None, [self.gate, self.check, self.attribute]))

    def document(self) -> dict[str, Any]:
        """What it says, without the signatures."""
        return {key: value for key, value in asdict(self).items() if key != "signatures"}

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**self.document(), "id": self.id, "signatures": [asdict(each) for each in self.signatures]}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Waiver":
        """Read back what `to_dict` wrote, whatever else stands beside it."""
        fields = {name: raw[name] for name in cls.__dataclass_fields__ if name != "signatures"}
        return cls(**fields, signatures=tuple(Signed(**each) for each in raw["signatures"]))

    def signed(self, keyring: Keyring, name: str, *, key: Path | None = None) -> "Waiver":
        """With one more signature.

        Parameters
        ----------
        key
            The person's own key file; the installation's key by default.

        Raises
        ------
        UserError
            When there is no such key, it is another person's, or this person has signed already.
        """
        at = utc_now()
        signature = keyring.sign(self._message(name, at), key=key)
        if wrong := _others_key(keyring.trusted[signature.key].owner, name):
            raise UserError(name, [Problem(path="--key", message=wrong, mend="sign with your own")])
        if name in {each.name for each in self.signatures}:
            raise UserError(self.id, [Problem(path=name, message="has signed this waiver already")])
        added = Signed(name=name, at=at, key=signature.key, value=signature.value)
        return replace(self, signatures=(*self.signatures, added))

    def covers(self, gate: str, check: Check) -> bool:
        """Whether it is about this check."""
        named = (self.gate, self.check) == (gate, check.name) and self.attribute in (None, check.attribute)
        return named and (gate, check.name) not in UNWAIVABLE

    def doubts(self, keyring: Keyring, tier: Tier, *, today: date, seq: int | None = None) -> list[str]:
        """Why it does not count today; nothing when it does.

        Parameters
        ----------
        seq
            The anchor up to which its signatures must have been made: a key that was rotated out later counts.
        """
        reasons = self._wrong_dates(tier, today)
        for each in self.signatures:
            signature = Signature(key=each.key, value=each.value)
            wrong = keyring.doubt(self._message(each.name, each.at), signature, seq=seq)
            wrong = wrong or _others_key(keyring.trusted[each.key].owner, each.name)
            reasons += [f"{each.name}'s signature: {wrong}"] if wrong else []
        return reasons + self._missing_people(keyring, tier)

    def _wrong_dates(self, tier: Tier, today: date) -> list[str]:
        try:
            made, last = date.fromisoformat(self.made_at[:10]), date.fromisoformat(self.expires)
        except ValueError:
            return [f"names no dates: made at {self.made_at!r}, expires {self.expires!r}"]
        reasons = []
        if last < today:
            reasons.append(f"expired on {self.expires}")
        if made > today + timedelta(days=1):  # clocks may differ, but not by so much; else it would last longer
            reasons.append(f"is dated in the future, at {self.made_at}")
        if last > made + timedelta(days=tier.waiver_days):
            reasons.append(f"runs until {self.expires}, longer than the {tier.waiver_days} days of its risk tier")
        return reasons

    def _missing_people(self, keyring: Keyring, tier: Tier) -> list[str]:
        """From the second person on a signature counts only by that person's own key."""
        names = {each.name for each in self.signatures}
        if self.owner not in names:
            return [f"is not signed by its owner {self.owner}"]
        personal = {
            each.name
            for each in self.signatures
            if each.key in keyring.trusted and keyring.trusted[each.key].owner == each.name
        }
        people = {self.owner} | personal
        if len(people) < tier.waiver_people:
            return [f"waits for {tier.waiver_people - len(people)} more person to sign it with a key of their own"]
        return []

    def _message(self, name: str, at: str) -> bytes:
        return canonical_json({"waiver": self.document(), "name": name, "at": at})


def propose(policy: Policy, *, check: str, reason: str, expires: str, owner: str, today: date) -> Waiver:
    """A waiver that nobody has signed yet.

    Parameters
    ----------
    check
        ``gate/check`` or ``gate/check/attribute``.
    expires
        The last day, as YYYY-MM-DD.

    Raises
    ------
    UserError
        Listing everything that is wrong.
    """
    problems = []
    gate, _, rest = check.partition("/")
    name, slash, attribute = rest.partition("/")
    if gate not in WAIVABLE or not name or (slash and not attribute):  # an empty attribute would mean any
        mend = f"GATE/CHECK or GATE/CHECK/ATTRIBUTE, with a gate of {', '.join(WAIVABLE)}"
        problems.append(Problem(path="--check", message=f"{check!r} names no check", mend=mend))
    elif (gate, name) in UNWAIVABLE:
        problems.append(Problem(path="--check", message=f"{check} cannot be waived", mend=UNWAIVABLE[gate, name]))
    if not says_something(reason):
        problems.append(Problem(path="--reason", message="is empty", mend="say why, for whoever reads the dossier"))
    if not is_person(owner):
        problems.append(Problem(path="--owner", message="names nobody", mend="name who answers for this"))
    problems += _wrong_date(expires, policy.tier, today)
    if problems:
        raise UserError("waiver", problems)
    return Waiver(
        model=policy.model,
        gate=gate,
        check=name,
        attribute=attribute or None,
        reason=reason.strip(),
        owner=owner.strip(),
        made_at=f"{today.isoformat()}{utc_now()[10:]}",
        expires=expires,
    )


def cover(verdict: Verdict, waivers: Iterable[Waiver]) -> list[tuple[Check, Waiver]] | None:
    """The waiver of each check that keeps a verdict from passing; None unless every one has its waiver.

    An ERROR is never waived: nothing was measured that could be excepted.
    """
    if verdict.outcome not in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        return None
    usable = list(waivers)
    failing = [check for check in verdict.checks if check.severity == "critical" and check.outcome is not Outcome.PASS]
    pairs = []
    for check in failing:
        found = next((each for each in usable if each.covers(verdict.gate, check)), None)
        if found is None or check.outcome is Outcome.ERROR:
            return None
        pairs.append((check, found))
    return pairs or None


def waiver_event(verdict: Verdict, check: Check, waiver: Waiver, *, by: str) -> Event:
    """What a dossier records when a waiver lets a verdict go on."""
    about = f"{verdict.digest}:{check.name}:{check.attribute or ''}"
    return Event(
        event="waiver",
        operation=f"waiver:{waiver.id}:{sha256_json(about)[:16]}",
        by=by,
        at=utc_now(),
        facts={
            **waiver.to_dict(),
            "verdict": verdict.digest,
            "waived_check": check.name,
            "waived_attribute": check.attribute,
        },
    )


def waived(
    records: Sequence[Record], keyring: Keyring, tier: Tier, *, today: date, anchored: Mapping[str, int] | None = None
) -> tuple[Collection[str], list[str]]:
    """Which verdicts of a dossier its waivers let go on today.

    Parameters
    ----------
    anchored
        Digest of each record to the `seq` of its anchor: a key that was rotated out after the dossier had
        recorded a waiver goes on counting for that waiver.

    Returns
    -------
    digests, reasons
        Digests of those verdicts; and why waivers that a dossier holds count no longer.
    """
    by_verdict: dict[str, list[Waiver]] = {}
    reasons: dict[str, str] = {}
    for event in records:
        if not isinstance(event, Event) or event.event != "waiver":
            continue
        waiver = Waiver.from_dict(event.facts)
        wrong = waiver.doubts(keyring, tier, today=today, seq=(anchored or {}).get(event.digest))
        if wrong:
            reasons[waiver.id] = f"{waiver.gate}: the waiver {waiver.id} of {waiver.address} {'; '.join(wrong)}"
        else:
            by_verdict.setdefault(event.facts["verdict"], []).append(waiver)
    verdicts = [record for record in records if isinstance(record, Verdict) and record.digest in by_verdict]
    return {each.digest for each in verdicts if cover(each, by_verdict[each.digest])}, list(reasons.values())


def stored_waivers(engine: "Engine", model: str) -> list[Waiver]:
    """Every waiver of a model with the signatures that it has by now, oldest first.

    Raises
    ------
    EvidenceError
        When the table holds something that is no waiver, or one of another model: the signatures under
        that are true, and it must not count here.
    """
    from assay.rollout.waivers import Waivers

    found = []
    for document, signatures in Waivers(engine).of(model):
        try:
            waiver = Waiver.from_dict({**json.loads(document), "signatures": list(map(json.loads, signatures))})
            belongs = waiver.model == model
        except (ValueError, TypeError, KeyError):
            belongs = False
        if not belongs:
            raise EvidenceError([f"waivers: the operations database holds one for {model} that is not what was signed"])
        found.append(waiver)
    return found


def _others_key(owner: str, name: str) -> str:
    """Why a key may not sign in somebody's name; empty when it may: the platform's, for whoever works at it."""
    return "" if owner in (name, PLATFORM) else f"is the key of {owner}"


def _wrong_date(expires: str, tier: Tier, today: date) -> list[Problem]:
    try:
        last = date.fromisoformat(expires)
    except ValueError:
        return [Problem(path="--expires", message=f"{expires!r} is not a date", mend="as in 2027-01-31")]
    if last < today:
        return [Problem(path="--expires", message=f"{expires} is in the past")]
    longest = today + timedelta(days=tier.waiver_days)
    if last > longest:
        mend = f"{longest.isoformat()} at the latest"
        message = f"{expires} is further away than the {tier.waiver_days} days that the risk tier allows"
        return [Problem(path="--expires", message=message, mend=mend)]
    return []
