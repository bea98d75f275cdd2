"""The pipeline: what each task does, and the DAGs that chain them. The only room that knows Airflow."""
