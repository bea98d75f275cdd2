"""The DAG that stands for a policy that cannot be read: it says why, and fails when it is run."""

import re

from airflow.sdk import DAG

from assay.core import sha256_bytes
from assay.pipeline.operators import RefusedOperator

_MODEL = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LONGEST_ID, _LONGEST_NAME, _LONGEST_REASON = 60, 200, 4_000


def refused_dag(name: str, reason: str) -> DAG:
    """A DAG that can only fail, and says what is wrong with the policy: one bad file must not hide the others."""
    shown, said = _visible(name).replace("\n", "\\n")[:_LONGEST_NAME], _visible(reason)
    if len(said) > _LONGEST_REASON:
        said = said[:_LONGEST_REASON] + "\n... and more"
    dag = DAG(
        dag_id=f"retrain_{_id_part(name)}",
        description="This policy cannot be read",
        doc_md=f"### The policy of `{_unquoted(shown)}` cannot be read\n\n```\n{_unquoted(said)}\n```",
        schedule=None,
        tags=["assay", "invalid-policy"],
    )
    with dag:
        RefusedOperator(task_id="policy", reason=said, doc_md=f"```\n{_unquoted(said)}\n```")
    return dag


def _id_part(name: str) -> str:
    """A folder's name if it can be a model's; else one of valid characters that no model and no other folder has.

    Examples
    --------
    >>> _id_part("income"), _id_part("income copy")
    ('income', 'income_copy-44d4899b')
    """
    if _MODEL.fullmatch(name):
        return name
    digest = sha256_bytes(name.encode(errors="surrogateescape"))[:8]
    return f"{re.sub('[^A-Za-z0-9_]', '_', name)[:_LONGEST_ID]}-{digest}"


def _visible(text: str) -> str:
    """Text that Airflow can store and show: line breaks stay, other invisible characters are written out."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def _unquoted(text: str) -> str:
    """Text that cannot end the Markdown code that it stands in."""
    return text.replace("`", "'")
