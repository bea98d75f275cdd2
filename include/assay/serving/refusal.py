"""The one form in which the gateway says no."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from assay.core import AssayError, Problem


class RefusalError(AssayError):
    """A request that cannot be answered: an HTTP status, one clear message, and all that is wrong.

    Parameters
    ----------
    status
        HTTP status code.
    message
        What is wrong, in one line.
    problems
        Every single thing that is wrong, where there can be several.
    retry_after
        Seconds after which it is worth to ask again; None when it never is.
    extra
        Further members of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        problems: Sequence[Problem] = (),
        *,
        retry_after: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.status, self.message, self.problems = status, message, tuple(problems)
        self.retry_after, self.extra = retry_after, extra or {}
        super().__init__(message)

    def body(self) -> bytes:
        """The answer as JSON, with the `error_code` and `message` that MLflow's clients look for."""
        listed = [{"path": p.path, "message": p.message, "mend": p.mend} for p in self.problems]
        return msgspec.json.encode(
            {"error_code": HTTPStatus(self.status).name, "message": self.message, "problems": listed, **self.extra}
        )


def bad_request(problems: Sequence[Problem]) -> RefusalError:
    """A 400 that says everything that is wrong with the request."""
    first = str(problems[0])
    return RefusalError(400, first if len(problems) == 1 else f"{len(problems)} problems; the first: {first}", problems)
