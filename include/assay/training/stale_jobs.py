"""Delete the folders of training jobs whose tasks were killed and never repeated: they hold rows."""

import time
from pathlib import Path

from assay.isolation import remove_folder
from assay.training.job import JOB, JobFolder

_KEPT_SECONDS = 2 * 86_400.0
"""How long a job may wait for its next task, beside the time that it may run."""


def remove_stale_jobs(parent: Path, pattern: str = "*") -> list[Path]:
    """Delete each job below a folder that is older than any job that is still at work.

    Parameters
    ----------
    pattern
        Which of the paths below `parent` are jobs.

    Returns
    -------
    list
        What was deleted.
    """
    found = []
    for path in sorted(parent.glob(pattern)):
        try:
            if path.is_dir() and not path.is_symlink() and time.time() > _ends(JobFolder(path)):
                remove_folder(path)
                found.append(path)
        except OSError:
            continue  # another task is deleting it, or it is another account's
    return found


def _ends(job: JobFolder) -> float:
    """Until when a job may be at work, in seconds since the epoch."""
    try:
        return (job.rows / JOB).stat().st_mtime + float(job.spec.limits["wall_seconds"]) + _KEPT_SECONDS
    except (OSError, ValueError, KeyError, TypeError):  # killed while it was laid out
        return job.path.stat().st_mtime + _KEPT_SECONDS
