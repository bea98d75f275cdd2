"""How much of the signer a caller may take."""

import io
from dataclasses import dataclass
from typing import Any

LONGEST_HEAD = 16 * 1024
_LONGEST_BODY = 32 * 1024 * 1024  # a verdict over thousands of columns has some megabytes
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How much, and how long, a connection may take.

    Attributes
    ----------
    body
        Bytes of a request's body.
    seconds
        From the connection to the answer.
    at_once
        Connections that are served at the same time; more are turned away.
    """

    body: int = _LONGEST_BODY
    seconds: float = 20.0
    at_once: int = _AT_ONCE


class BoundedStream(io.RawIOBase):
    """A stream that ends after so many bytes: `left` says how many more."""

    def __init__(self, stream: Any, left: int) -> None:
        self._stream, self.left = stream, left

    def readline(self, size: int | None = -1) -> bytes:
        """Read a line, or as much of it as is left."""
        most = self.left if size is None or size < 0 else min(size, self.left)
        line: bytes = self._stream.readline(most)
        self.left -= len(line)
        return line

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, or as many as are left."""
        most = self.left if size is None or size < 0 else min(size, self.left)
        content: bytes = self._stream.read(most)
        self.left -= len(content)
        return content

    def close(self) -> None:
        """Close the stream below as well."""
        self._stream.close()
        super().close()
