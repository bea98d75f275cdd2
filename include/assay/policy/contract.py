"""What a policy says of the contract gate."""

from typing import Literal

from pydantic import model_validator

from assay.policy.builtin import BuiltIn
from assay.policy.parts import OnInconclusive, Share


class Contract(BuiltIn):
    """The contract gate: a suite, and the checks that come with the gate.

    With `on_bad_rows: quarantine` the rows that a critical expectation does not expect are set aside, and
    the clean rest is judged and trained on, as long as they are at most `max_quarantined` of all rows.
    """

    on_bad_rows: Literal["block", "quarantine"] = "block"
    max_quarantined: Share | None = None
    on_inconclusive: OnInconclusive = "block"

    @model_validator(mode="after")
    def _declared(self) -> "Contract":
        if self.on_bad_rows == "quarantine" and self.max_quarantined is None:
            raise ValueError("on_bad_rows: quarantine needs max_quarantined, the largest share that may be set aside")
        if self.on_bad_rows == "block" and self.max_quarantined is not None:
            raise ValueError("max_quarantined is for on_bad_rows: quarantine")
        return self
