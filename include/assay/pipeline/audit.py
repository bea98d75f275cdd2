"""The DAG that looks every quarter of an hour for what was changed behind the pipeline's back."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, CronTriggerTimetable

from assay.core import AssayError, Settings
from assay.pipeline.ending import Refused, ended
from assay.pipeline.retries import RETRIES

if TYPE_CHECKING:
    from airflow.sdk import Context

_DOC = """\
### Compare MLflow with the dossiers

Every 15 minutes aliases, versions, tags and the files of what serves are compared with the dossiers and the rollouts.
Snapshots whose files vanished, or are there although their time is over, are named; `assay snapshot expire` deletes.

* **A red task** means that something was changed by other hands. Its log says what, when it was first seen and which
  way to mend it; each is an incident, and the version is marked in MLflow with the tag `assay.incident`.
* Nothing is changed back by itself: `assay audit MODEL --restore` does it on command, and the dossier records it.
* **A retry** means that a server was down: then nothing was compared. Airflow retries for at least five minutes.
"""


class AuditOperator(BaseOperator):
    """Audits every model, and fails when anything is out of order."""

    def execute(self, context: "Context") -> Any:
        """Compare, raise incidents, ship the anchors, and hand on the counts."""
        from assay.evidence.audit import audit
        from assay.evidence.opening import archive

        try:
            found = audit(archive(Settings.from_environment()))
        except AssayError as error:
            raise ended(error) from None
        for each in found.closed:
            self.log.info("incident %d is closed: %s: %s", each.id, each.message, each.closed_because)
        for seen in found.seen:
            each = seen.incident
            self.log.error("%s: %s (incident %d, first seen %s)", each.model, each.message, each.id, each.first_seen)
            self.log.error("  %s", each.mend)
        if not found.clean:
            first = found.seen[0].incident
            raise Refused(f"{len(found.seen)} out of order: {first.message}", f"What to do: {first.mend}")
        return {"models": list(found.models), "versions": found.versions, "shipped": found.shipped}


def audit_dag() -> DAG:
    """The DAG `audit_registry`."""
    with DAG(
        dag_id="audit_registry",
        description="Find what was changed in MLflow behind the pipeline's back",
        doc_md=_DOC,
        schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,  # a watchman who must be asked to start is none
        tags=["assay", "audit"],
    ) as dag:
        AuditOperator(
            task_id="audit",
            doc_md=_DOC,
            **RETRIES,
            execution_timeout=timedelta(minutes=30),
        )
    return dag
