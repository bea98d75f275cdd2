"""Read policy files. Everything wrong with a file is said at once, each with its path."""

import os
import re
import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from assay.core import Problem, UserError, did_you_mean, sha256_bytes
from assay.policy.data import DeltaSource
from assay.policy.gates import PartialGates
from assay.policy.model_files import read_model_files
from assay.policy.models import GatePolicy, Policy
from assay.policy.parts import Part, field_names
from assay.policy.reading import read_mapping, read_policy

P = TypeVar("P", bound=Part)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """A model's folder and the policy in it.

    Attributes
    ----------
    path
        The folder.
    policy
        What its `policy.yaml` says.
    policy_bytes
        The file itself, kept as evidence.
    """

    path: Path
    policy: Policy
    policy_bytes: bytes

    @property
    def policy_sha256(self) -> str:
        """SHA-256 of the policy file."""
        return sha256_bytes(self.policy_bytes)

    @property
    def train(self) -> Path:
        """The team's training module."""
        return self.path / "train.py"

    def model_files(self, *data: str) -> dict[str, bytes]:
        """The folder's files but its data, read now: what training may read; `data` names more of it.

        See `read_model_files`.
        """
        source = self.policy.data.source
        place = source.delta if isinstance(source, DeltaSource) else source if isinstance(source, str) else ""
        return read_model_files(self.path, place, *data)

    @property
    def contract(self) -> Path:
        """The data contract: a Great Expectations suite in JSON."""
        return self.path / "contract.json"


def load_folder(folder: Path, *, any_name: bool = False) -> ModelFolder:
    """Read a model's folder.

    Parameters
    ----------
    any_name
        Whether the folder may have another name than the model.

    Raises
    ------
    UserError
        Listing all that is wrong with the policy and all files that are missing beside it.
    """
    problems = [
        Problem(
            path=str(folder / name),
            message="no such file",
            mend="a model folder holds policy.yaml, contract.json and train.py",
        )
        for name in ("contract.json", "train.py")
        if not (folder / name).is_file()
    ]
    try:
        content = read_policy(folder / "policy.yaml")
        policy = parse_policy(content, str(folder / "policy.yaml"))
    except UserError as error:
        raise UserError(error.subject, [*error.problems, *problems]) from None
    loaded = ModelFolder(path=folder, policy=policy, policy_bytes=content)
    if loaded.policy.model != folder.name and not any_name:
        problems.append(Problem(path="model", message=f'is "{loaded.policy.model}" but the folder is "{folder.name}"'))
    if problems:
        raise UserError(str(folder / "policy.yaml"), problems)
    return loaded


def model_folders(root: Path) -> Iterator[Path]:
    """Every folder under `root` that holds a policy, in order of name.

    Folders of which it cannot be told are among them, so that `load_folder` says why: those that may not be read,
    broken links, and links that go round in a circle.
    """
    return (path for path in sorted(root.iterdir() if root.is_dir() else ()) if _may_hold_a_policy(path))


def _may_hold_a_policy(folder: Path) -> bool:
    try:
        os.lstat(folder / "policy.yaml")
    except FileNotFoundError:
        return folder.is_symlink() and not folder.exists()
    except NotADirectoryError:
        return False
    except OSError:
        return True
    return True


def find_model(root: Path, name: str) -> ModelFolder:
    """Read the folder of the model `name`.

    Raises
    ------
    UserError
        When there is no such model, naming the nearest.
    """
    known = [folder.name for folder in model_folders(root)]
    if name not in known:
        raise UserError(name, [Problem(path=str(root), message="no such model", mend=did_you_mean(name, known))])
    return load_folder(root / name)


def parse_policy(content: bytes, subject: str) -> Policy:
    """Parse a whole policy file.

    Raises
    ------
    UserError
        Listing every problem with its dotted path.
    """
    return _validate(Policy, read_mapping(content, subject), subject)


def load_gates(path: Path) -> tuple[PartialGates, str]:
    """Read the gates of a policy file, and the file's SHA-256.

    Any piece of a policy that holds gates will do, so that a team can gate in its own CI before it has
    a whole one; what is there must be right.

    Raises
    ------
    UserError
        Listing every problem with its dotted path.
    """
    content = read_policy(path)
    part = _validate(GatePolicy, read_mapping(content, str(path)), str(path))
    gates: PartialGates = dict(part)["gates"]  # the class is made at run time
    return gates, sha256_bytes(content)


def _validate(part: type[P], data: dict[str, Any], subject: str) -> P:
    try:
        return part.model_validate(data)
    except ValidationError as error:
        by_place: dict[tuple[Any, ...], list[ErrorDetails]] = {}
        for detail in error.errors(include_url=False):
            by_place.setdefault(_place(detail, data), []).append(detail)
        problems = [_problem(part, place, details, data) for place, details in by_place.items()]
        raise UserError(subject, problems) from None


def _place(detail: ErrorDetails, data: Any) -> tuple[Any, ...]:
    """Where in the file an error is: pydantic's location without the names of a union's branches."""
    place: list[Any] = []
    steps = list(detail["loc"])
    if steps[:1] == ["mitigation"] and isinstance(data.get("mitigation"), dict):
        del steps[1:2]  # its union is told apart by `method`, and a branch may be called as a key is
        place += [steps.pop(0), "method"] if detail["type"].startswith("union_tag") else []
    for position, step in enumerate(steps, start=1):
        missing = detail["type"] == "missing" and position == len(steps)
        if isinstance(step, str) and not (isinstance(data, dict) and (step in data or missing)):
            continue
        place.append(step)
        data = data.get(step) if isinstance(data, dict) else data[step]
    return tuple(place)


def _problem(part: type[Part], place: tuple[Any, ...], details: list[ErrorDetails], data: Any) -> Problem:
    path = ".".join(str(step) for step in place) or "policy"
    # where one branch of a union has the right type, what it says is what matters
    telling = [detail for detail in details if not detail["type"].endswith("_type")] or details
    match telling[0]["type"]:
        case "extra_forbidden":
            return Problem(
                path=path, message="unknown key", mend=did_you_mean(str(place[-1]), _keys_at(part, place[:-1], data))
            )
        case "missing" | "union_tag_not_found":
            return Problem(path=path, message="is missing")
        case "union_tag_invalid":
            context = telling[0]["ctx"]
            return Problem(path=path, message=f"must be {context['expected_tags']}, got {context['tag']!r}")
        case "model_attributes_type":
            return Problem(path=path, message=f"must be a mapping of keys to values, got {_shown(telling[0])}")
        case "value_error":
            return Problem(path=path, message=str(telling[0]["ctx"]["error"]))
    message = ", or ".join(_message(detail) for detail in telling)
    return Problem(path=path, message=f"{message}, got {_shown(telling[0])}", mend=_nearest(telling[0]))


def _shown(detail: ErrorDetails) -> str:
    """What is written, or its beginning: aliases make a few lines of YAML as large as they like."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict = 3, 6, 6
    brief.maxstring = brief.maxother = brief.maxlong = 120
    return brief.repr(detail["input"])


def _nearest(detail: ErrorDetails) -> str:
    """The allowed word that is meant, if what is written comes near to one."""
    if detail["type"] != "literal_error":
        return ""
    hint = did_you_mean(str(detail["input"]), re.findall("'([^']*)'", detail["ctx"]["expected"]))
    return hint if hint.startswith("did") else ""


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "too_short":
        return "must not be empty"
    message = detail["msg"].replace("Input should", "must")
    return message[0].lower() + message[1:]


def _keys_at(part: type[Part], location: Iterable[Any], data: Any) -> list[str]:
    """The keys known at a place in the policy, found by walking the types; those of all forms that it may have."""
    parts = [part]
    for step in location:
        data = data[step]
        if isinstance(step, int):
            continue
        known = [{info.alias or name: info.annotation for name, info in each.model_fields.items()} for each in parts]
        inner = [each for by_key in known for each in _parts_in(by_key.get(step))]
        parts = [each for each in inner if _may_hold(each, data)]
    return list(dict.fromkeys(name for each in parts for name in field_names(each)))


def _may_hold(part: type[Part], data: Any) -> bool:
    """Whether a branch of a union is the one that the file's own `method` names."""
    told = part.model_fields.get("method")
    return told is None or (isinstance(data, dict) and data.get("method") in get_args(told.annotation))


def _parts_in(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts_in(argument)
