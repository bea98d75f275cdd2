"""`assay waive`: signed, short-lived exceptions to single checks. There is no flag that skips a gate."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings

if TYPE_CHECKING:
    from assay.cli.inputs import Mistakes
    from assay.evidence.waivers import Waiver
    from assay.policy import ModelFolder
    from assay.registry.keys import Keyring

_USES = "give --check, --reason, --expires and --owner for a new one, --sign and --owner to sign one, or --list"


@explained
def waive(
    model: Annotated[str, typer.Argument(help="The model whose check is to be waived.")],
    check: Annotated[
        str | None, typer.Option(help="GATE/CHECK or GATE/CHECK/ATTRIBUTE, as fairness/tpr_difference/sex*race.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why. Shown wherever the verdict is shown.")] = None,
    expires: Annotated[str | None, typer.Option(help="The last day on which it counts, as 2027-01-31.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it, or who signs: a user's name.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="The signing person's own key file; needed wherever a signer holds the keys.")
    ] = None,
    sign: Annotated[str | None, typer.Option(metavar="ID", help="Sign this waiver as a second person.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List the model's waivers and whether they count.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
) -> None:
    """Let one check of one model go on although it did not pass, for a time, on somebody's word.

    An ERROR is never waived. The risk tier says how long a waiver may last, and for tier high a second
    person must sign. Each signs with a key of their own (make one with: assay keys add NAME --key FILE); the
    signer signs no waiver. Without --key the owner's signature is made with the platform's own key, by
    whoever can read it: an operator at the machine that holds the keys.

    Example: assay waive income --check fairness/tpr_difference/race --reason "129 rows; the survey grows in May"
    --expires 2026-05-31 --owner reviewer --key reviewer.pem

    Example: assay waive income --sign 0a1b2c3d4e5f6071 --owner officer --key officer.pem
    """
    from assay.core import problem
    from assay.registry.keys import Keyring

    settings, today = Settings.from_environment(), datetime.now(UTC).date()
    new = {"--check": check, "--reason": reason, "--expires": expires}
    given = [name for name, value in new.items() if value is not None]
    if sum([bool(given), sign is not None, show]) != 1:
        raise problem("assay waive", "one thing at a time", _USES)
    folder = _folder(settings, model)
    if show:
        typer.echo("\n".join(_listed(settings, folder, Keyring.of(settings), today)))
        return
    if sign is not None:
        waiver = _signed(settings, folder, sign, owner, key, today)
    else:
        waiver = _proposed(settings, folder, {**new, "--owner": owner}, key, today)
        _tell_latest(settings, waiver)
    if not dry_run:
        _store(settings, waiver, last_only=sign is not None)
    typer.echo("\n".join(_said(waiver, waiver.doubts(Keyring.of(settings), folder.policy.tier, today=today))))
    if dry_run:
        typer.echo("nothing was stored")


def _folder(settings: Settings, model: str) -> "ModelFolder":
    from assay.core import did_you_mean, problem
    from assay.policy import load_folder, model_folders

    known = {folder.name: folder for folder in model_folders(settings.models)}
    if model not in known:
        raise problem(model, "there is no such model here", did_you_mean(model, known))
    return load_folder(known[model])


def _proposed(
    settings: Settings, folder: "ModelFolder", given: dict[str, str | None], key: Path | None, today: date
) -> "Waiver":
    """A signed waiver, or everything that is wrong with it."""
    from assay.cli.inputs import Mistakes
    from assay.core import did_you_mean
    from assay.evidence.addresses import check_addresses, is_address
    from assay.evidence.waivers import WAIVABLE, propose
    from assay.registry.keys import Keyring

    mistakes = Mistakes()
    made: list[Waiver] = []
    for name, value in given.items():
        if value is None:
            mistakes.add(name, "is missing")
    check, reason, expires, owner = (value or "" for value in given.values())
    with mistakes.gathered():
        made.append(propose(folder.policy, check=check, reason=reason, expires=expires, owner=owner, today=today))
    refused = any(each.path == "--check" for each in mistakes.found)
    if not refused and check.partition("/")[0] in WAIVABLE:
        with mistakes.gathered():
            known = check_addresses(folder)
            if not is_address(check, known):
                mistakes.add("--check", f"{check!r} is no check of {folder.policy.model}", did_you_mean(check, known))
    with mistakes.gathered():
        keyring = Keyring.of(settings)
        if made:
            made[:] = [made[0].signed(keyring, owner.strip(), key=key)]
        else:
            keyring.sign(b"", key=key)  # only to see whether the key could sign
    missing = {each.path for each in mistakes.found if each.message == "is missing"}
    mistakes.found[:] = [each for each in mistakes.found if each.message == "is missing" or each.path not in missing]
    mistakes.stop("assay waive")
    return made[0]


def _signed(
    settings: Settings, folder: "ModelFolder", waiver_id: str, owner: str | None, key: Path | None, today: date
) -> "Waiver":
    """A stored waiver with one more signature, or everything that is wrong with that."""
    from assay.cli.inputs import Mistakes
    from assay.core import did_you_mean
    from assay.evidence.opening import rollouts
    from assay.evidence.waivers import stored_waivers
    from assay.registry.keys import Keyring

    mistakes = Mistakes()
    found = {each.id: each for each in stored_waivers(rollouts(settings).engine, folder.policy.model)}
    waiver = found.get(waiver_id)
    if waiver is None:
        mistakes.add("--sign", f"{folder.policy.model} has no waiver {waiver_id!r}", did_you_mean(waiver_id, found))
    elif date.fromisoformat(waiver.expires) < today:
        mistakes.add("--sign", f"the waiver expired on {waiver.expires}", "make a new one")
    name = (owner or "").strip()
    if not name:
        mistakes.add("--owner", "is missing", "name who signs")
    elif key is None and waiver is not None and name != waiver.owner:
        mend = f"make it with: assay keys add {name} --key FILE"
        mistakes.add("--key", "is missing: a second person signs with a key of their own", mend)
    with mistakes.gathered():
        keyring = Keyring.of(settings)
        if waiver is not None and name and (key is not None or name == waiver.owner):
            waiver = waiver.signed(keyring, name, key=key)
            _check_personal(mistakes, keyring, waiver)
    mistakes.stop("assay waive")
    assert waiver is not None
    return waiver


def _check_personal(mistakes: "Mistakes", keyring: "Keyring", waiver: "Waiver") -> None:
    last = waiver.signatures[-1]
    if last.name != waiver.owner and keyring.trusted[last.key].owner != last.name:
        mend = f"make it with: assay keys add {last.name} --key FILE"
        mistakes.add("--key", "is the installation's key: a second person signs with a key of their own", mend)


def _store(settings: Settings, waiver: "Waiver", *, last_only: bool) -> None:
    from dataclasses import asdict

    from assay.core import canonical_json
    from assay.evidence.opening import rollouts
    from assay.rollout.waivers import Waivers

    table = Waivers(rollouts(settings).engine)
    if not last_only:
        table.add(waiver.id, waiver.model, canonical_json(waiver.document()).decode())
    table.sign(waiver.id, canonical_json(asdict(waiver.signatures[-1])).decode())


def _tell_latest(settings: Settings, waiver: "Waiver") -> None:
    """What the latest verdict says about the check, as far as MLflow answers: a hint, and no condition."""
    from assay.core import AssayError
    from assay.evidence.addresses import latest_checks

    try:
        checks = [
            each for each in latest_checks(settings, waiver.model, waiver.gate) if waiver.covers(waiver.gate, each)
        ]
    except AssayError as error:
        typer.echo(f"the latest verdict was not looked at: {error}", err=True)
        return
    for check in checks:
        if not waiver.covers(waiver.gate, check):
            continue
        about = f"{check.name} {check.attribute}" if check.attribute else check.name
        typer.echo(f"the latest verdict: {check.outcome} {about}: {check.reason}", err=True)


def _said(waiver: "Waiver", doubts: Sequence[str]) -> Iterator[str]:
    people = ", ".join(each.name for each in waiver.signatures) or "nobody"
    yield f"waiver {waiver.id}: {waiver.model} {waiver.address} until {waiver.expires}"
    yield f"  {waiver.owner}: {waiver.reason}"
    yield f"  signed by {people}"
    yield "  counts from now on" if not doubts else f"  does not count: {'; '.join(doubts)}"
    if any("own" in each and each.startswith("waits") for each in doubts):
        yield f"  a second person signs with: assay waive {waiver.model} --sign {waiver.id} --owner NAME --key FILE"


def _listed(settings: Settings, folder: "ModelFolder", keyring: "Keyring", today: date) -> Iterator[str]:
    from assay.evidence.opening import rollouts
    from assay.evidence.waivers import stored_waivers

    found = stored_waivers(rollouts(settings).engine, folder.policy.model)
    states = [(each, each.doubts(keyring, folder.policy.tier, today=today)) for each in found]
    plural = "" if len(found) == 1 else "s"
    yield f"{folder.policy.model}: {len(found)} waiver{plural}, {sum(not doubts for _, doubts in states)} in force"
    for waiver, doubts in states:
        yield from _said(waiver, doubts)
