"""What a policy says of the checks that come with the contract gate, beside the suite."""

from typing import Annotated

from pydantic import Field, model_validator

from assay.core import Severity
from assay.policy.parts import Columns, Part, Share

Portion = Annotated[float, Field(ge=0, le=1)]


class BuiltInCheck(Part):
    """A check that comes with the gate. Written as `null` it is not made, which the policy then says for all to see."""

    severity: Severity = "critical"


class Estimate(BuiltInCheck):
    """A check that judges an estimate.

    `undecided` is the severity of a result that excludes neither too large a change nor none at all. With
    `critical` it blocks: then only so many rows pass as can show that the limit is kept.
    """

    undecided: Severity = "warning"


class LabelLeakage(Estimate):
    """A single feature that predicts the label too well to have been known before it.

    `max_auc` is how well one feature may rank the label by itself; `max_name_similarity` how much its
    name may resemble the label's, of which 1 is the same name. A name alone is a warning.
    """

    max_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    max_name_similarity: Share = 0.85


class SplitOverlap(BuiltInCheck):
    """Rows for testing that also are rows for training: the same, or the same but for one column."""

    max_share: Portion = 0.01
    max_near_share: Portion = 0.05


class DuplicateRows(BuiltInCheck):
    """Rows that are the same as another in every column but the key: in narrow data also by chance."""

    severity: Severity = "warning"
    max_share: Portion = 0.01


class Shift(Estimate):
    """How far a column may have moved from the champion's snapshot.

    `max_psi` bounds the population stability index, `max_missing` the rise of the share of missing
    values, `max_new` the share of rows with a category that was not there before, or a number beyond the
    least and the greatest, beyond what the reference's own
    rows would show against each other. `alpha` is the level of the two-sample tests of all columns together.
    """

    max_psi: Annotated[float, Field(gt=0)] = 0.25
    max_missing: Share = 0.05
    max_new: Portion = 0.01
    alpha: Share = 0.01


class LabelShift(Estimate):
    """How far the share of the positive class may have moved from the champion's snapshot."""

    max_difference: Share = 0.05


class AssociationShift(Estimate):
    """How much of a column's association with the other columns of its row must be left.

    `min_ratio` bounds what is left of it from below, as a share of the champion's snapshot's: when a tenth
    of a column's values stand in the wrong rows, nine tenths are left.
    """

    undecided: Severity = "info"
    min_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.9


class Volume(Estimate):
    """How many rows there may be, as multiples of the median of the latest snapshots."""

    min_ratio: Annotated[float, Field(ge=0)] = 0.8
    max_ratio: Annotated[float, Field(gt=0)] = 1.5

    @model_validator(mode="after")
    def _rising(self) -> "Volume":
        if self.min_ratio > self.max_ratio:
            raise ValueError(f"min_ratio {self.min_ratio:g} is above max_ratio {self.max_ratio:g}")
        return self


class Freshness(Estimate):
    """How old the newest row may be, in days, and how many rows may lie in the future.

    Without `max_age_days` the history says it: at most `max_ratio` times the oldest that a newest row has been.
    """

    max_age_days: Annotated[float, Field(gt=0)] | None = None
    max_ratio: Annotated[float, Field(ge=1)] = 2.0
    max_future: Portion = 0.0


class GroupSupport(BuiltInCheck):
    """Enough rows in each group for the fairness gate to tell a gap at its limits, in a share `power` of samples."""

    severity: Severity = "warning"
    power: Annotated[float, Field(ge=0.5, lt=1)] = 0.8


class Constant(BuiltInCheck):
    """Columns in which one value takes up more than `max_share` of the rows that have one."""

    severity: Severity = "warning"
    max_share: Portion = 0.9999


class AllNull(BuiltInCheck):
    """Columns without a value in more than `max_share` of the rows."""

    max_share: Portion = 0.99


class DuplicateColumn(BuiltInCheck):
    """Columns that hold what another one holds, in more than `max_share` of the rows."""

    severity: Severity = "warning"
    max_share: Portion = 0.9999


class Pii(BuiltInCheck):
    """Personal data in columns that are neither sensitive nor pseudonymised, nor named by `allow`."""

    max_share: Portion = 0.001
    allow: Columns = []


class BuiltIn(Part):
    """The checks that come with the contract gate, all of them on; their intervals hold together at `confidence`."""

    confidence: Share = 0.95
    label_leakage: LabelLeakage | None = LabelLeakage()
    split_overlap: SplitOverlap | None = SplitOverlap()
    duplicate_rows: DuplicateRows | None = DuplicateRows()
    shift: Shift | None = Shift()
    label_shift: LabelShift | None = LabelShift()
    association_shift: AssociationShift | None = AssociationShift()
    volume: Volume | None = Volume()
    freshness: Freshness | None = Freshness()
    group_support: GroupSupport | None = GroupSupport()
    constant: Constant | None = Constant()
    all_null: AllNull | None = AllNull()
    duplicate_column: DuplicateColumn | None = DuplicateColumn()
    pii: Pii | None = Pii()
