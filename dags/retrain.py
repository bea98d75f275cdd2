"""One Airflow DAG, retrain_<model>, for each policy in include/models."""

from assay.pipeline.dags import retrain_dags

globals().update(retrain_dags())
