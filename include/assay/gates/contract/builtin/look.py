"""What the built-in checks are given to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.gates.contract.builtin.facts import Facts
from assay.gates.contract.builtin.table import Table

if TYPE_CHECKING:
    from assay.policy import Data
    from assay.policy.fairness import Fairness


@dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    """What the columns are for; a check that needs a role that nobody has is not made.

    Attributes
    ----------
    key, label, time
        The columns that name a row, that hold what really happened, and when a row came about.
    positive
        The class that counts as positive; of a label with two classes the rarer one without it.
    features
        What a model will be shown; all other columns where there are none.
    sensitive
        Columns declared to be about people.
    declared
        Further columns declared to hold personal data: those that are pseudonymised.
    rekeyed
        Those of them whose pseudonyms are not those of the reference, so that nothing in them has moved.
    """

    key: str | None = None
    label: str | None = None
    positive: str | int | bool | None = None
    time: str | None = None
    features: Sequence[str] = ()
    sensitive: Sequence[str] = ()
    declared: Sequence[str] = ()
    rekeyed: Sequence[str] = ()

    @classmethod
    def of(cls, data: "Data") -> "Roles":
        """The roles that a policy gives the columns."""
        return cls(
            key=data.key,
            label=data.label,
            positive=data.positive,
            time=data.time,
            features=data.features,
            sensitive=data.sensitive,
            declared=data.pseudonymize.columns,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """An earlier snapshot: its number of rows, when it was taken and its newest row; times in UTC."""

    rows: int
    taken_at: datetime
    newest: datetime | None = None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Past":
        """Read back what a record says of an earlier snapshot: `rows`, and times in ISO 8601."""
        newest = raw.get("newest")
        return cls(
            rows=raw["rows"],
            taken_at=datetime.fromisoformat(raw["taken_at"]),
            newest=None if newest is None else datetime.fromisoformat(newest),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which rows of the table, in its order, are for training and which for testing; shape (rows,)."""

    training: NDArray[np.bool_]
    testing: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A table, what is known of it, and what it may be compared with.

    Attributes
    ----------
    table, facts
        The rows that are judged.
    reference
        What is known of the champion's snapshot, and its rows; None where there is none.
    roles
        What the columns are for.
    history
        Earlier snapshots, the oldest first.
    taken_at
        When the rows were taken, in UTC.
    split, test_share
        Who is tested on what; the share where the rows themselves are not known.
    fairness
        What the policy says of the fairness gate.
    """

    table: Table
    facts: Facts
    roles: Roles
    taken_at: datetime
    reference: "tuple[Table, Facts] | None" = None
    history: Sequence[Past] = ()
    split: Split | None = None
    test_share: float | None = None
    fairness: "Fairness | None" = None

    @property
    def features(self) -> list[str]:
        """The features that the table has."""
        roles, known = self.roles, self.facts.columns
        if roles.features:
            return [name for name in roles.features if name in known]
        return [name for name in known if name not in (roles.key, roles.label, roles.time)]

    @property
    def used(self) -> list[str]:
        """Every column that the model or its audit needs, but the key."""
        named = dict.fromkeys(
            [*self.features, *self.roles.sensitive, *([self.roles.label] if self.roles.label else [])]
        )
        return [name for name in named if name in self.facts.columns]
