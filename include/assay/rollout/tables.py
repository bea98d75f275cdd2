"""The tables of the operations database.

Times are ISO 8601 in UTC with milliseconds, so that they sort as text. JSON is kept as text: it is
evidence, written once and read back whole.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

# SQLite gives a rowid only to a column declared INTEGER; elsewhere the log may outgrow 32 bits.
_Id = BigInteger().with_variant(Integer, "sqlite")

# One row: which database this is, so that another one in its place is noticed.
DATABASE_ID = Table(
    "database_id",
    METADATA,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("id", String(32), nullable=False),
)

# One row per kind of process that must be able to write: when it last could.
HEARTBEAT = Table(
    "heartbeat",
    METADATA,
    Column("process", String(64), primary_key=True),
    Column("at", String(32), nullable=False),
)

# One row per model: what serves now. Moved only by compare-and-set on `epoch`.
DEPLOYMENT = Table(
    "deployment",
    METADATA,
    Column("model", String(63), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("share", Integer, nullable=False),
    Column("champion_version", Integer),
    Column("champion", Text),
    Column("canary_version", Integer),
    Column("canary", Text),
    Column("rollout_id", Integer),
    Column("updated_at", String(32), nullable=False),
)

ROLLOUT = Table(
    "rollout",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("model", String(63), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("run_key", String(512), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("first_epoch", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("champion", Text),
    Column("canary", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("started_at", String(32), nullable=False),
    Column("stage_started_at", String(32), nullable=False),
    Column("deadline", String(32), nullable=False),
)

# Append-only: every move ever made, with the evidence it was made on.
MOVE = Table(
    "move",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("op_key", String(128), nullable=False, unique=True),
    Column("model", String(63), nullable=False, index=True),
    Column("rollout_id", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("action", String(16), nullable=False),
    Column("from_stage", String(32), nullable=False),
    Column("to_stage", String(32), nullable=False),
    Column("run_key", String(512), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

# Append-only: one row per record of any dossier, each chained to the one before it.
ANCHOR = Table(
    "anchor",
    METADATA,
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("dossier", String(64), nullable=False),
    Column("model", String(63), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("operation", String(1024)),
    Column("digest", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    Column("chain", String(64), nullable=False),
    Index("anchor_of_record", "dossier", "number", unique=True),
    Index("anchor_of_operation", "dossier", "operation", unique=True),
)

# One row per thing that is or was out of order: it is counted while it is open, and kept when it is closed.
INCIDENT = Table(
    "incident",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(512), nullable=False),
    Column("model", String(63), nullable=False, index=True),
    Column("version", Integer),
    Column("kind", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("mend", Text, nullable=False),
    Column("sightings", Integer, nullable=False),
    Column("first_seen", String(32), nullable=False),
    Column("last_seen", String(32), nullable=False),
    Column("closed_at", String(32)),
    Column("closed_by", String(255)),
    Column("closed_because", Text),
)
Index(
    "incident_open",
    INCIDENT.c.key,
    unique=True,
    sqlite_where=INCIDENT.c.closed_at.is_(None),
    postgresql_where=INCIDENT.c.closed_at.is_(None),
)

# Append-only: waivers as they were signed, and each signature as it came.
WAIVER = Table(
    "waiver",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("model", String(63), nullable=False, index=True),
    Column("document", Text, nullable=False),
)

WAIVER_SIGNATURE = Table(
    "waiver_signature",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("waiver", String(64), nullable=False, index=True),
    Column("document", Text, nullable=False),
)

# Append-only: the k-th candidate that a gate measured on a snapshot, so that retrying until one passes does not work.
ATTEMPT = Table(
    "attempt",
    METADATA,
    Column("model", String(63), primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("snapshot", String(128), primary_key=True),
    Column("candidate", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Index("attempt_of_snapshot", "model", "gate", "snapshot", "number", unique=True),
)

# One row per request, so that a repeated request gets the answer it got before.
REQUEST = Table(
    "request",
    METADATA,
    Column("model", String(63), primary_key=True),
    Column("request_id", String(128), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

# One row per request row and version that scored it. `features` stands only where the row was served,
# or, when nothing was served, with the only score there is.
PREDICTION = Table(
    "prediction",
    METADATA,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("model", String(63), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("row", Integer, nullable=False),
    Column("entity", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("arm", String(16), nullable=False),
    Column("served", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("features", Text),
    Column("score", Float(53)),
    Column("error", Text),
    Column("latency_us", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Index("prediction_of_row", "model", "request_id", "row", "version", unique=True),
    Index("prediction_of_epoch", "model", "epoch", "version"),
)

LABEL = Table(
    "label",
    METADATA,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("model", String(63), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("row", Integer, nullable=False),
    Column("label", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Index("label_of_row", "model", "request_id", "row", unique=True),
)

APPEND_ONLY = (MOVE, ANCHOR, WAIVER, WAIVER_SIGNATURE, ATTEMPT)

APPLICATION_RIGHTS = {
    **dict.fromkeys(APPEND_ONLY, ("SELECT", "INSERT")),
    **dict.fromkeys((DATABASE_ID, REQUEST, PREDICTION, LABEL), ("SELECT", "INSERT")),
    **dict.fromkeys((HEARTBEAT, DEPLOYMENT, ROLLOUT, INCIDENT), ("SELECT", "INSERT", "UPDATE")),
}
"""What a role that does not own the tables needs to do with each; nobody deletes."""

READER_RIGHTS = {ANCHOR: ("SELECT",)}
"""What the signer's role needs."""
