"""The texts of a drafted folder."""

import json
import math
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from assay.data.draft.contract import draft_contract
from assay.data.draft.roles import Roles
from assay.data.features import kinds
from assay.data.sources import is_flat

if TYPE_CHECKING:
    import pyarrow as pa

OWNER = "CHANGE-ME (team that answers for this model)"

_POLICY = """\
# A first draft of everything that governs the model `{name}`. `assay schema policy` prints the form.
# Every limit below is a starting point, not advice: have the people who answer for the model set them.
schema: 1
model: {name}
owner: {owner}
description: ""                  # what the model decides, about whom, and what it must not be used for
risk_tier: high                  # low | medium | high; high until somebody has argued for less
# schedule: "0 2 * * 1"          # cron, UTC; without one the model is retrained by hand

data:
  source: {source}
  key: {key}
  label: {label}
  positive: {positive}
  # Sensitive columns are audited and not shown to the model.
  features:
{features}
  sensitive: [{sensitive}]
  holdout: 0.3                   # or split: {{validation: 0.15, test: 0.3}} to stop training early: docs/training.md

training:
  seed: 0
  threshold: 0.5                 # a score at or above this decides for the positive class
  parameters: {{}}                 # handed to train() in train.py

gates:
  performance:
    checks:
      - {{metric: auc, min: 0.7}}
      # {base_rate:.1%} of the labels are positive: a model that knows nothing else scores these
      - {{metric: brier, max: {brier}}}
      - {{metric: log_loss, max: {log_loss}}}
    champion:                    # how much worse than the champion, on the same rows, is still acceptable
      - {{metric: auc, margin: 0.01}}
    # Slices, weak slices, costs and budgets of speed and size can be asked for too, see docs/performance.md:
    # slices: [{slices}]
    # floors: [{{metric: auc, min: 0.6}}]   # for the worst of them
  fairness:
    groups: [{groups}]
    min_group_size: 100
    checks:
      - {{metric: tpr, compare: difference, max: 0.1}}
      - {{metric: fpr, compare: difference, max: 0.1}}
      - {{metric: selection_rate, compare: ratio, min: 0.8, severity: warning}}
    on_inconclusive: review      # block | review: who decides when the groups are too small to tell
  robustness:
    checks:
{robustness}

# mitigation:                    # tried once when the fairness gate fails; docs/mitigation.md compares the methods
#   method: reweighing           # reweighing | thresholds | constraint
#   attributes: [{first}]

approval:                        # risk tier high: one of each, neither of them whoever asked for the run
  model_owners: [reviewer]       # names that people sign in to Airflow with
  risk_officers: [officer]

rollout:
  max_brier: {brier}               # bounds a first version, which has no champion to be compared with
"""

_DATASHEET = """\
# Datasheet: {name}

After Gebru et al. (2021), *Datasheets for Datasets*.
Facts were read from the first file; each _blank_ waits for somebody who knows.

## Motivation

- For what purpose was the data set created, by whom, and who paid for it? _blank_

## Composition

- What does a row stand for? _blank_
- Rows: {rows:,}. Key: `{key}`. Label: `{label}`, {base_rate:.1%} positive. Sensitive attributes: {sensitive}.
- Is it a sample, and of what? Is anything left out? _blank_

| column | type | missing | different values |
|---|---|---|---|
{columns}

## Collection process

- How, when and by whom were the data collected? Did people know, and did they consent? _blank_

## Preprocessing, cleaning, labeling

- What was done to the raw data? Who or what gave the labels? _blank_

## Uses

- What is it used for, what else could it be used for, and what must it not be used for? _blank_

## Distribution

- Who may have it, under which licence or law? _blank_

## Maintenance

- Who keeps it, how are errors corrected, and how long are rows kept? _blank_
"""

_RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def draft_files(table: "pa.Table", roles: Roles, name: str) -> dict[str, str]:
    """The four files of a model's folder: file name to text."""
    template = resources.files("assay.data.draft") / "train.py.txt"
    return {
        "policy.yaml": _policy(table, roles, name),
        "contract.json": draft_contract(table, roles, name),
        "train.py": template.read_text(encoding="utf-8"),
        "datasheet.md": _datasheet(table, roles, name),
    }


def _policy(table: "pa.Table", roles: Roles, name: str) -> str:
    data, rate = roles.data, roles.base_rate
    sensitive = [_scalar(column) for column in data.sensitive]
    groups = sensitive if len(sensitive) == 1 else [*sensitive, f"[{', '.join(sensitive[:2])}]"]
    return _POLICY.format(
        name=name,
        owner=_scalar(OWNER),
        source=_scalar(str(data.source)),
        key=_scalar(data.key),
        label=_scalar(data.label),
        positive=_scalar(data.positive),
        features="\n".join(f"    - {_scalar(column)}" for column in data.features),
        sensitive=", ".join(sensitive),
        first=sensitive[0],
        groups=", ".join(groups),
        slices=", ".join(sensitive),
        base_rate=rate,
        brier=_rounded_up(rate * (1 - rate)),
        log_loss=_rounded_up(-rate * math.log(rate) - (1 - rate) * math.log1p(-rate)),
        robustness=_robustness(table, data.features),
    )


def _robustness(table: "pa.Table", features: list[str]) -> str:
    present = set(kinds(table.schema, features).values())
    scenarios = ["missing"]
    scenarios += ["noise", "unit_error"] if "number" in present else []
    scenarios += ["unknown_category"] if "text" in present else []
    return "\n".join(f"      - {{scenario: {each}, share: 0.1, metric: auc, max_drop: 0.05}}" for each in scenarios)


def _datasheet(table: "pa.Table", roles: Roles, name: str) -> str:
    lines = [
        f"| `{field.name}` | {field.type} | {table[field.name].null_count / table.num_rows:.1%} "
        f"| {_distinct(table[field.name])} |"
        for field in table.schema
    ]
    return _DATASHEET.format(
        name=name,
        rows=table.num_rows,
        key=roles.data.key,
        label=roles.data.label,
        base_rate=roles.base_rate,
        sensitive=", ".join(f"`{column}`" for column in roles.data.sensitive),
        columns="\n".join(lines),
    )


def _distinct(column: Any) -> str:
    return f"{len(column.drop_null().unique()):,}" if is_flat(column) else ""


def _scalar(value: str | int | bool) -> str:
    """A YAML scalar that reads back as the same value: JSON unless a plain word will do.

    JSON's own escapes for what lies beyond 16 bits are no YAML.
    """
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_/.]*", value) and value.lower() not in _RESERVED:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08X}" for each in text)


def _rounded_up(value: float) -> float:
    return math.ceil(value * 1000) / 1000
