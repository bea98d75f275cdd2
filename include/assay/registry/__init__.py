"""The registry: candidates, dossiers, versions and aliases. The only room that knows MLflow."""
