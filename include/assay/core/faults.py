"""Points at which a test may kill the process for real, to see that running again ends whole."""

import os
import signal

_VARIABLE = "ASSAY_FAULT_POINT"


def fault_point(name: str) -> None:
    """Kill this process, as ``kill -9`` does, when ``ASSAY_FAULT_POINT`` names this point; else do nothing."""
    if os.environ.get(_VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
