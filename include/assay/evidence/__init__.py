"""What a registry and a rollout prove together: judged again, compared, shown. Imports neither airflow nor mlflow."""
