"""Assay: governed model retraining on Apache Airflow."""

import os

# ONNX Runtime reports what it runs to its maker over the network and keeps an identifier in the home folder, unless
# this is set before it is first loaded; it is read once for each process.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


__version__ = "0.1.0"
