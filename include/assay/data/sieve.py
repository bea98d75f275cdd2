"""What may take rows out of a snapshot on their way into it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Sieve:
    """Lets every row pass; whoever sets rows aside overrides both methods."""

    def sift(self, staged: Sequence[Path], place: Path) -> list[Path]:
        """The files of the rows that go on, in their order.

        Parameters
        ----------
        staged
            Parquet files with all rows, after the policy's terms were applied.
        place
            The folder that they are in, which is gone when the snapshot is there; new files go there too.
        """
        return list(staged)

    def settle(self, folder: Path, snapshot_id: str) -> dict[str, Any]:
        """Keep what was set aside, before the snapshot of the rest exists; what its manifest says of that.

        Parameters
        ----------
        folder
            The model's folder below the root.
        snapshot_id
            The snapshot that the rest is, or already was.
        """
        return {}
