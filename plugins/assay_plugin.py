"""Serves the evidence pages inside Airflow, to those who may read the model's DAG."""

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from assay.governance.mount import LazyApp

if TYPE_CHECKING:
    from fastapi import FastAPI


def build() -> "FastAPI":
    """Make the application. Only the API server, at the first page, pays for these imports."""
    from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
    from fastapi import HTTPException, Request

    from assay.governance.app import Reader, create_app

    def reader(request: Request, user: GetUserDep) -> Reader:
        def may_read(model: str) -> bool:
            try:
                requires_access_dag("GET", param_dag_id=f"retrain_{model}")(request, user)
            except HTTPException:
                return False
            return True

        return may_read

    return create_app(authorize=reader)


class AssayPlugin(AirflowPlugin):
    """The evidence pages, and their place in Airflow's navigation."""

    name = "assay"
    fastapi_apps: ClassVar[list[Any]] = [{"app": LazyApp(build), "url_prefix": "/assay", "name": "Assay evidence"}]
    # No leading slash: Airflow's own address may have a path.
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Models",
            "href": "assay/models",
            "destination": "nav",
            "nav_top_level": True,  # its name must be short: the bar cuts it off
            "url_route": "assay-models",
        }
    ]
