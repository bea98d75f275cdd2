"""What the signer signs, held against the anchors of the dossier."""

from collections.abc import Sequence

from assay.core import Anchor, Event, Outcome, Verdict
from assay.core.verdict import decide
from assay.registry.dossier import BEFORE_TRAINING
from assay.signer.requests import ModelRequest, RecordRequest, RequestRefusedError

_CONFLICT = 409


def check_record(request: RecordRequest, anchors: Sequence[Anchor]) -> None:
    """Make sure that a record continues its dossier, and says nothing that its own checks contradict.

    Parameters
    ----------
    anchors
        Those of the request's dossier, in order of number.

    Raises
    ------
    RequestRefusedError
        When it does not; with status 409 when the dossier has grown in the meantime.
    """
    _check_anchors(request.dossier, anchors)
    record, head = request.record, anchors[-1].digest if anchors else None
    if isinstance(record, Verdict) and record.outcome is Outcome.PASS and decide(record.checks) is not Outcome.PASS:
        raise RequestRefusedError(f"the verdict of {record.gate} passes, and its critical checks do not")
    if request.number != len(anchors) + 1:
        message = f"record {request.number} does not follow record {len(anchors)}, the last that is anchored"
        raise RequestRefusedError(message, status=_CONFLICT)
    if record.previous != head:
        message = f"record {request.number} continues {record.previous}, and the anchored head is {head}"
        raise RequestRefusedError(message, status=_CONFLICT)
    if isinstance(record, Verdict):
        attempts = sum(anchor.kind == record.gate for anchor in anchors)
        if record.attempt != attempts + 1:
            raise RequestRefusedError(f"attempt {record.attempt} of {record.gate} does not follow attempt {attempts}")
    elif isinstance(record, Event) and any(anchor.operation == record.operation for anchor in anchors):
        raise RequestRefusedError(f"the operation {record.operation!r} is in the dossier already", status=_CONFLICT)


def check_model(request: ModelRequest, anchors: Sequence[Anchor]) -> None:
    """Make sure that a model's files belong to a run whose data was judged.

    Raises
    ------
    RequestRefusedError
        When its dossier has no anchored verdict that must stand before training.
    """
    _check_anchors(request.dossier, anchors)
    missing = sorted(BEFORE_TRAINING - {anchor.kind for anchor in anchors})
    if missing:
        raise RequestRefusedError(f"the dossier {request.dossier} has no anchored verdict of {', '.join(missing)}")


def _check_anchors(dossier: str, anchors: Sequence[Anchor]) -> None:
    if [anchor.number for anchor in anchors] != list(range(1, len(anchors) + 1)):
        raise RequestRefusedError(f"the anchors of the dossier {dossier} have a gap")
