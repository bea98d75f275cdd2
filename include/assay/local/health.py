"""Facts about this machine that a person asks for first when something does not work: see `assay doctor`."""

import platform
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.core import Settings, UserError
from assay.isolation import LEVELS, Level, choose, isolation_setting, probe, readable_by_all

_LEAST_FREE = 2 * 2**30  # bytes: a training's scratch folder and its artifacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Isolation:
    """How training is kept apart here.

    Attributes
    ----------
    setting
        What `ASSAY_ISOLATION` asks for.
    chosen
        The level that training runs at; None when it is refused, for the reason `refused`.
    reasons
        Why each level does not work here; empty for those that do.
    """

    setting: str
    chosen: Level | None
    refused: str
    reasons: Mapping[Level, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """Something about this machine, and what to do about it where it is not well."""

    name: str
    value: str
    advice: str = ""


def isolation() -> Isolation:
    """Try every level, and say which one training gets."""
    setting = isolation_setting()
    chosen: Level | None = None
    refused = ""
    try:
        chosen = choose(setting)
    except UserError as error:
        refused = "; ".join(f"{each.path} {each.message}" for each in error.problems)
    return Isolation(setting=setting, chosen=chosen, refused=refused, reasons={each: probe()[each] for each in LEVELS})


def facts(settings: Settings) -> list[Fact]:
    """What is cheap to find out about this machine and the installation on it."""
    return [
        Fact(name="Python", value=platform.python_version()),
        Fact(name="kernel", value=f"{platform.system()} {platform.release()} {platform.machine()}"),
        _free(settings.home),
        _private("ASSAY_HOME", settings.home, needed_by="others"),
        _private("ASSAY_KEYS", settings.keys, needed_by="others"),
        _apart(settings),
    ]


def _free(home: Path) -> Fact:
    place = next(each for each in (home, *home.parents) if each.exists())
    free = shutil.disk_usage(place).free
    advice = "" if free >= _LEAST_FREE else f"free some: a training may write {_LEAST_FREE // 2**30} GiB and more"
    return Fact(name="free disk", value=f"{free / 2**30:.1f} GiB at {place}", advice=advice)


def _private(name: str, path: Path, *, needed_by: str) -> Fact:
    if not path.exists():
        return Fact(name=name, value=f"{path} does not exist yet")
    mode = stat.S_IMODE(path.stat().st_mode)
    open_to_all = bool(mode & 0o007)
    who = "everybody" if open_to_all else "its group" if mode & 0o070 else "its owner alone"
    advice = f"keep {needed_by} out: chmod o-rwx {path}" if open_to_all else ""
    return Fact(name=name, value=f"{path} (mode {mode:04o}): {who} can enter it", advice=advice)


def _apart(settings: Settings) -> Fact:
    """Whether a folder of ours lies where code in a box reads its libraries."""
    folders = {"ASSAY_KEYS": settings.keys, "ASSAY_HOME": settings.home, "ASSAY_TRAINING_JOBS": settings.jobs_folder}
    inside = [f"{name} in {holding}" for name, path in folders.items() if (holding := readable_by_all(path))]
    advice = "move it: every training process may read that folder" if inside else ""
    value = ", ".join(inside) if inside else "no folder of Assay's lies there"
    return Fact(name="readable in a box", value=value, advice=advice)
