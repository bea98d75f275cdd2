"""A training job as a folder: all that the box is given, and all that it gives back.

The folder is written by code that is trusted, run by `assay.training.relay`, and read back here. Nothing in it is
ever unpickled, and everything that comes out of the box is held to a form and a size.

::

    model/NAME/   the files of the model's folder (the box reads them)
    rows/         job.json and Arrow files: training rows; others only once they are due (the box reads them)
    withheld/     validation rows until they are asked for, held-out features until the ONNX bytes are fixed
    scratch/      where the box writes
    made/         what the relay took out of `scratch`
    trial/        the scratch folder of the box that tries the ONNX bytes
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import AssayError, Problem, UserError, canonical_json
from assay.isolation import remove_folder
from assay.policy import write_model_files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from assay.training.onnx_model import Kind

TRAINING, VALIDATION, HELD_OUT = "training.arrow", "validation.arrow", "held_out.arrow"
JOB, DONE = "job.json", "done.json"
ONNX, REFERENCE, RESULT, SCORES = "model.onnx", "reference.skops", "result.json", "scores.f64"
LARGEST: Mapping[str, int] = {ONNX: 512 << 20, REFERENCE: 1 << 30, RESULT: 2 << 20}
"""The most bytes of each file that the box may give back; of `SCORES` it is 8 for each held-out row."""

_LABEL = "label"


class JobError(AssayError):
    """A training job's folder does not hold what it must."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What a job asks for, as `job.json` says it.

    Attributes
    ----------
    model
        Name of the model.
    features
        Feature name to kind, in the model's order.
    label, classes
        Name of the label's column, and its negative and positive class.
    groups
        The columns that mitigation compares groups by.
    seed, parameters, threshold
        As the policy and the run say.
    mitigation
        The policy's mitigation as plain JSON, or None for a model as trained.
    validation
        Whether there are validation rows to ask for.
    limits
        See `assay.isolation.Limits`, as plain JSON.
    tier
        The policy's risk tier: ``high`` is never trained without isolation.
    """

    model: str
    features: Mapping[str, "Kind"]
    label: str
    classes: tuple[str, str]
    groups: tuple[str, ...]
    seed: int
    parameters: Mapping[str, Any]
    threshold: float
    mitigation: Mapping[str, Any] | None
    validation: bool
    limits: Mapping[str, float]
    tier: str

    def to_json(self) -> bytes:
        """The content of `job.json`."""
        written = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(written | {"features": list(self.features.items())}).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Spec":
        """Read what `to_json` wrote."""
        found = json.loads(content)
        tuples = {name: tuple(found[name]) for name in ("classes", "groups")}
        return cls(**found | tuples | {"features": dict(found["features"])})


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one training job; see the module."""

    path: Path

    @property
    def model(self) -> Path:
        """The folder above the model's own."""
        return self.path / "model"

    @property
    def rows(self) -> Path:
        """Where the box reads rows."""
        return self.path / "rows"

    @property
    def withheld(self) -> Path:
        """Rows that the box does not have yet."""
        return self.path / "withheld"

    @property
    def scratch(self) -> Path:
        """Where the box writes."""
        return self.path / "scratch"

    @property
    def made(self) -> Path:
        """What was taken out of `scratch`."""
        return self.path / "made"

    @property
    def trial(self) -> Path:
        """Where the box that tries the ONNX bytes writes."""
        return self.path / "trial"

    @property
    def spec(self) -> Spec:
        """What the job asks for."""
        return Spec.from_json((self.rows / JOB).read_bytes())

    def create(self, spec: Spec, model_files: Mapping[str, bytes]) -> None:
        """Make the folder anew, readable by its owner alone, with everything but the rows."""
        remove_folder(self.path)
        self.path.mkdir(parents=True, mode=0o700)
        for folder in (self.rows, self.withheld, *self._written):
            folder.mkdir(mode=0o700)
        write_model_files(model_files, self.model / spec.model)
        (self.rows / JOB).write_bytes(spec.to_json())

    def rewind(self) -> None:
        """Undo whatever an earlier attempt at running the job did: above all, take back the rows that it was given."""
        (self.path / DONE).unlink(missing_ok=True)
        for folder in self._written:
            remove_folder(folder)
        for name in (VALIDATION, HELD_OUT):
            if (self.rows / name).exists():
                (self.rows / name).replace(self.withheld / name)
        for folder in self._written:
            folder.mkdir(mode=0o700)

    @property
    def _written(self) -> tuple[Path, ...]:
        """The folders that running the job writes to."""
        return self.scratch, self.made, self.trial

    def release(self, name: str) -> None:
        """Give the box withheld rows."""
        (self.withheld / name).chmod(0o644)  # another account may run the box; the folder keeps all others out
        (self.withheld / name).replace(self.rows / name)

    def keep(self, name: str, content: bytes) -> None:
        """Write what was taken out of the box, for the box that tries it and for `output`."""
        (self.made / name).write_bytes(content)
        (self.made / name).chmod(0o644)

    def finish(self, done: Mapping[str, Any]) -> None:
        """Say that the job was run, with what the relay knows of it."""
        (self.path / DONE).write_bytes(canonical_json(done))

    def done(self) -> dict[str, Any]:
        """What `finish` said.

        Raises
        ------
        UserError
            What the team's code did wrong.
        JobError
            When the job was not run to its end.
        """
        try:
            found: dict[str, Any] = json.loads((self.path / DONE).read_bytes())
        except (OSError, ValueError):
            message = "the training job was not run to its end; clear the tasks from training_rows on, or training"
            raise JobError(message) from None
        if error := found.get("error"):
            raise UserError(error["subject"], [Problem(**each) for each in error["problems"]])
        return found

    def output(self, name: str) -> bytes:
        """A file that the relay took out of the box.

        Raises
        ------
        JobError
            When there is no such file.
        """
        try:
            return (self.made / name).read_bytes()
        except OSError:
            raise JobError(f"training left no {name}") from None

    def remove(self) -> None:
        """Delete the folder."""
        remove_folder(self.path)


def write_rows(
    path: Path,
    *,
    features: Mapping[str, "NDArray[Any]"],
    label: "NDArray[np.int64] | None" = None,
    groups: Mapping[str, "NDArray[Any]"] | None = None,
) -> None:
    """Write n rows as an Arrow file.

    Parameters
    ----------
    features
        Name to an array of shape (n, 1): float32, or str objects.
    label
        0 and 1, of shape (n,); None for rows whose label the box must not see.
    groups
        Name to the text of each row, of shape (n,).
    """
    import pyarrow as pa

    columns = {f"f{position}": _column(values[:, 0]) for position, values in enumerate(features.values())}
    columns |= {f"g{position}": _column(values) for position, values in enumerate((groups or {}).values())}
    if label is not None:
        columns[_LABEL] = pa.array(label)
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1 << 20)


def read_rows(path: Path) -> "pa.Table":
    """Read what `write_rows` wrote."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def feature_frame(table: "pa.Table", features: Mapping[str, "Kind"]) -> "pd.DataFrame":
    """The features of rows as `train` gets them: numbers as float32 with NaN for missing, everything else as str."""
    import pandas as pd

    return pd.DataFrame({name: _values(table[f"f{position}"]) for position, name in enumerate(features)})


def feature_inputs(table: "pa.Table", features: Mapping[str, "Kind"]) -> dict[str, "NDArray[Any]"]:
    """The features of n rows as ONNX Runtime gets them, each of shape (n, 1)."""
    return {name: _values(table[f"f{position}"]).reshape(-1, 1) for position, name in enumerate(features)}


def label_series(table: "pa.Table", name: str) -> "pd.Series":
    """The labels of rows, 0 and 1."""
    import pandas as pd

    return pd.Series(_values(table[_LABEL]), name=name)


def group_texts(table: "pa.Table", groups: tuple[str, ...]) -> dict[str, "NDArray[np.object_]"]:
    """The columns that mitigation compares groups by."""
    return {name: _values(table[f"g{position}"]) for position, name in enumerate(groups)}


def _column(values: "NDArray[Any]") -> "pa.Array":
    import pyarrow as pa

    return pa.array(values, pa.string() if values.dtype == object else None)


def _values(column: "pa.ChunkedArray") -> "NDArray[Any]":
    values: NDArray[Any] = column.to_numpy()
    return values.copy() if not values.flags.writeable else values
