"""What may take rows out of a snapshot on their way into it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.data.store import Store


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

    def settle(self, store: Store, snapshot_id: str) -> dict[str, Any]:
        """Keep what was set aside, before the snapshot of the rest exists; what its manifest says of that.

        Parameters
        ----------
        store
            The model's folder below the root; `Store.delta` tells delta-rs where a table in it is.
        snapshot_id
            The snapshot that the rest is, or already was.
        """
        return {}
