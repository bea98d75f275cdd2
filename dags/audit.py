"""The Airflow DAG audit_registry."""

from assay.pipeline.audit import audit_dag

audit_registry = audit_dag()
