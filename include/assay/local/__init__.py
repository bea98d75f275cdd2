"""The embedded stack: Airflow, MLflow and the gateway on one machine, all state under one folder."""
