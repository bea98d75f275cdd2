"""What a box may use, and the error that says it used more."""

from dataclasses import dataclass

from assay.core import Problem, UserError

_GIB = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What all processes of a box may use together.

    Attributes
    ----------
    memory_bytes
        Memory of their own (pages shared after a fork count once); each process also gets it as its data limit, so
        that Python raises `MemoryError` first.
    cpu_seconds, wall_seconds
        Processor time of all of them, ended ones too; and time by the clock.
    processes
        How many run at once; see also `threads`.
    file_bytes
        Size of one file.
    scratch_bytes
        Size of all files in the scratch folder, deleted ones that are still open too.
    scratch_files
        How many files and folders lie in the scratch folder.
    """

    memory_bytes: int = 4 * _GIB
    cpu_seconds: float = 4 * 7200
    wall_seconds: float = 7200
    processes: int = 64
    file_bytes: int = _GIB
    scratch_bytes: int = 4 * _GIB
    scratch_files: int = 100_000

    @property
    def threads(self) -> int:
        """How many threads all processes may have together: numerical libraries start one for each processor."""
        return max(1024, 64 * self.processes)


class BoxError(UserError):
    """The box was ended, or gave back something that it may not."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("training", [Problem(path="train.py", message=message, mend=hint)])


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 2**30:g} GiB" if count >= 2**30 else f"{count / 2**20:g} MiB"
