"""How a registered version earns its traffic: the operations database and the moves in it."""

from assay.rollout.anchors import AnchorTable
from assay.rollout.attempts import Attempts
from assay.rollout.database import create_tables, open_database
from assay.rollout.exclusive import exclusive
from assay.rollout.history import Served, timeline
from assay.rollout.incidents import Incident, Incidents
from assay.rollout.judge import Assessment, Decision, RolloutEvidence, judge
from assay.rollout.log import Label, LabelsRefusedError, Prediction, Recorded, Request, record, record_labels
from assay.rollout.records import Deployment, IllegalMoveError, ModelRef, Move, RolloutRow, StaleEpochError
from assay.rollout.rollouts import Rollouts
from assay.rollout.shipping import disagreements, read_shipped, ship
from assay.rollout.waivers import Waivers

__all__ = [
    "AnchorTable",
    "Assessment",
    "Attempts",
    "Decision",
    "Deployment",
    "IllegalMoveError",
    "Incident",
    "Incidents",
    "Label",
    "LabelsRefusedError",
    "ModelRef",
    "Move",
    "Prediction",
    "Recorded",
    "Request",
    "RolloutEvidence",
    "RolloutRow",
    "Rollouts",
    "Served",
    "StaleEpochError",
    "Waivers",
    "create_tables",
    "disagreements",
    "exclusive",
    "judge",
    "open_database",
    "read_shipped",
    "record",
    "record_labels",
    "ship",
    "timeline",
]
