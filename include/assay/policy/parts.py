"""What the parts of a policy have in common."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from assay.core import Limit, Severity

Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Column = Annotated[str, Field(min_length=1)]
OnInconclusive = Literal["block", "review"]


T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"named twice: {', '.join(repeated)}")
    return values


Columns = Annotated[list[Column], AfterValidator(_distinct)]


def starred(columns: Iterable[str]) -> Iterator[str]:
    """What is wrong with columns to be combined, whose combinations a verdict writes as ``A*B``."""
    if names := sorted({column for column in columns if "*" in column}):
        yield f"* stands between columns and cannot be in the name of one: {', '.join(names)}"


class Part(BaseModel):
    """A part of a policy."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Limited(Part):
    """Anything with a limit: at least one side must be given, and they must not contradict."""

    min: float | None = None
    max: float | None = None
    severity: Severity = "critical"

    @model_validator(mode="after")
    def _sides(self) -> "Limited":
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self

    @property
    def limit(self) -> Limit:
        """The limit in core's words."""
        return Limit(min=self.min, max=self.max)


def field_names(part: type[Part]) -> list[str]:
    """The keys that a part of a policy may have."""
    return [info.alias or name for name, info in part.model_fields.items()]
