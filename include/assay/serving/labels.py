"""Labels that come in later."""

from typing import Any

import msgspec

from assay.core import Problem
from assay.data.features import shown
from assay.rollout import Label, LabelsRefusedError
from assay.serving.decode import decode_json
from assay.serving.live import Live
from assay.serving.refusal import RefusalError, bad_request
from assay.serving.split import entity_key

MAX_LABELS = 10_000
_SHOWN = 10


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    request_id: str
    label: Any
    row: int = 0


class _Labels(msgspec.Struct, forbid_unknown_fields=True):
    labels: list[_Given]


_DECODER = msgspec.json.Decoder(_Labels)


def decode_labels(body: bytes, live: Live) -> list[Label]:
    """Decode labels: a class by its name, or 1 for the positive class and 0 for the negative.

    Raises
    ------
    RefusalError
        400 listing every label that is neither.
    """
    given: _Labels = decode_json(body, _DECODER)
    if not 0 < len(given.labels) <= MAX_LABELS:
        raise RefusalError(400, f"send between 1 and {MAX_LABELS} labels at a time, not {len(given.labels)}")
    version = live.champion or live.canary
    names = version.model.classes if version else None
    labels, problems = [], []
    for position, each in enumerate(given.labels):
        label = _number(each.label, names)
        if label is None:
            known = f'"{names[0]}", "{names[1]}", 0 or 1' if names else "0 or 1 while no version is live"
            message = f"is {shown(each.label)}, which is not a class of {live.model}"
            problems.append(Problem(path=f"labels[{position}].label", message=message, mend=f"send {known}"))
        elif not 0 <= each.row < 2**31:
            problems.append(Problem(path=f"labels[{position}].row", message=f"is {each.row}; rows count from 0"))
        else:
            labels.append(Label(request_id=each.request_id, row=each.row, label=label))
    if problems:
        raise bad_request(problems[:_SHOWN])
    return labels


def refused(model: str, error: LabelsRefusedError) -> RefusalError:
    """404 when a row was never predicted, else 409 when one already has the other label."""
    problems = [
        Problem(path=f"{name}, row {row}", message="no such prediction", mend="send a label after its prediction")
        for name, row in error.unknown
    ]
    problems += [
        Problem(path=f"{name}, row {row}", message="already has the other label; the first one stays")
        for name, row in error.conflicting
    ]
    status = 404 if error.unknown else 409
    return RefusalError(status, f"{model}: no label was taken: {error}", problems[:_SHOWN])


def _number(value: object, names: tuple[str, str] | None) -> int | None:
    """1 for the positive class, 0 for the negative. Names come first: a class may be called "0"."""
    name = str(value) if isinstance(value, bool) else entity_key(value)
    if names is not None and name in names:
        return names.index(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value in (0, 1):
        return int(value)
    return None
