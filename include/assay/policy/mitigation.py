"""What a policy says of mitigation: what is tried when a candidate fails the fairness gate."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from assay.policy.parts import Columns, Part, Share

Target = Literal["equalized_odds", "equal_opportunity", "demographic_parity"]
Parity = Literal["demographic_parity", "equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"]


class _Mitigated(Part):
    """What the methods have in common.

    `attributes` names columns of `data.sensitive`; several of them make one group for each
    combination of their values. `max_accuracy_loss` is the most accuracy that fairness may cost.
    """

    attributes: Annotated[Columns, Field(min_length=1)]
    max_accuracy_loss: Share | None = None


class Reweighing(_Mitigated):
    """Weights under which the label no longer depends on the group, handed to the team's `train`."""

    method: Literal["reweighing"]


class Thresholds(_Mitigated):
    """Other thresholds on the same scores.

    `blind` moves the one threshold of everybody. `aware` gives each group its own: the attributes are
    then asked for with every decision, which the policy allows by a `legal_note` that says why it
    is lawful.
    """

    method: Literal["thresholds"]
    awareness: Literal["blind", "aware"]
    target: Target
    max_gap: Share
    legal_note: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None

    @model_validator(mode="after")
    def _allowed(self) -> "Thresholds":
        if self.awareness == "aware" and self.legal_note is None:
            columns = ", ".join(self.attributes)
            raise ValueError(f"decides by {columns}: write in legal_note why that is lawful, or use awareness: blind")
        if self.awareness == "blind" and self.legal_note is not None:
            raise ValueError(
                "legal_note allows the attributes at decision time, and awareness: blind does not use them"
            )
        return self


class Constraint(_Mitigated):
    """Training under a constraint, by fairlearn's reductions around the team's `train`.

    `iterations` is how many models the search tries.
    """

    method: Literal["constraint"]
    constraint: Parity
    max_gap: Share
    iterations: Annotated[int, Field(ge=2, le=200)] = 12


Mitigation = Annotated[Reweighing | Thresholds | Constraint, Field(discriminator="method")]
