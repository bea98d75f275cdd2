"""How many connections the gateway holds, and which one it closes when there are too many."""

import ipaddress
import logging
import resource
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)

_FILES_FOR_OURSELVES = 256  # database, models, MLflow, and connections that were accepted and not yet closed
_SECONDS_BETWEEN_LINES = 60.0
_STRANGERS_SHARE = 8  # an eighth of the connections is for newcomers, whoever holds the others
_TOO_MANY = "there are too many connections"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one client may take.

    Attributes
    ----------
    header_bytes, headers
        Size of a request's line and headers together, and how many headers.
    header_seconds, body_seconds
        For the whole header, and for the whole body, from their first byte on.
    idle_seconds
        How long a connection may wait for its next request.
    answer_seconds
        How long a client may leave an answer unread.
    connections
        Open at once, from everybody.
    strangers_per_address
        Open at once from one address without ever having shown the token.
    """

    header_bytes: int = 16 * 2**10
    headers: int = 100
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 60.0
    answer_seconds: float = 30.0
    connections: int = 2_000
    strangers_per_address: int = 256


class Connection(Protocol):
    """What `Connections` asks of a connection."""

    address: str

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: no complete request is being answered."""

    def cut(self, reason: str) -> None:
        """Close the connection at once."""

    def overdue(self, now: float) -> str:
        """What the client took too long for; empty while it is in time."""


class Connections:
    """All open connections.

    When one too many arrives, a connection that waits for its client is closed in its favour. Strangers,
    who never showed the token, go first, the oldest from the address that has most of them; but while
    they hold less than their share, the oldest of the others goes. So silent connections cannot keep
    out a client that speaks, even one behind the same proxy, and no request is cut while it is answered.

    Parameters
    ----------
    limits
        How many there may be.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.swept = False
        self._cuts = 0
        self._tell_at = 0.0
        self._strangers: dict[str, dict[Connection, None]] = {}
        self._trusted: dict[Connection, None] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, connection: Connection) -> None:
        """Count a new connection; another one, or if need be this one, is closed when it is one too many."""
        self._count += 1
        mine = self._strangers.setdefault(connection.address, {})
        mine[connection] = None
        if len(mine) > self.limits.strangers_per_address:
            self._cut_first(mine, _TOO_MANY, sparing=connection)
        if self._count > self.limits.connections:
            self._make_room(connection)

    def trust(self, connection: Connection) -> None:
        """Note that a connection has shown the token."""
        if connection in self._strangers.get(connection.address, ()):
            self._forget_stranger(connection)
            self._trusted[connection] = None

    def discard(self, connection: Connection) -> None:
        """Forget a connection; one that was forgotten before is none of our concern."""
        if connection in self._trusted:
            del self._trusted[connection]
        elif connection in self._strangers.get(connection.address, ()):
            self._forget_stranger(connection)
        else:
            return
        self._count -= 1

    def sweep(self, now: float) -> None:
        """Cut whoever took too long, and log what was cut, a line a minute at most."""
        everybody = [*self._trusted, *(each for some in self._strangers.values() for each in some)]
        for connection in everybody:
            if reason := connection.overdue(now):
                self._cut(connection, reason)
        if self._cuts and now >= self._tell_at:
            log.warning("%d connections were cut: too slow, or too many (%d are open)", self._cuts, self._count)
            self._cuts, self._tell_at = 0, now + _SECONDS_BETWEEN_LINES

    def _make_room(self, newcomer: Connection) -> None:
        crowds = sorted(self._strangers.values(), key=len, reverse=True)
        few = self._count - len(self._trusted) <= self.limits.connections // _STRANGERS_SHARE
        order = (self._trusted, *crowds) if few else (*crowds, self._trusted)
        if not any(self._cut_first(crowd, _TOO_MANY, sparing=newcomer) for crowd in order):
            self._cut(newcomer, _TOO_MANY)

    def _cut_first(self, crowd: dict[Connection, None], reason: str, *, sparing: Connection) -> bool:
        oldest = next((each for each in crowd if each.waits_for_client and each is not sparing), None)
        if oldest is not None:
            self._cut(oldest, reason)
        return oldest is not None

    def _cut(self, connection: Connection, reason: str) -> None:
        self._cuts += 1
        self.discard(connection)
        connection.cut(reason)

    def _forget_stranger(self, connection: Connection) -> None:
        mine = self._strangers[connection.address]
        del mine[connection]
        if not mine:
            del self._strangers[connection.address]


def address_of(host: str) -> str:
    """Whom an address stands for: an IPv4 address for itself, an IPv6 address for its network of 64 bits.

    Examples
    --------
    >>> address_of("10.0.0.7"), address_of("2001:db8::1:2:3:4"), address_of("")
    ('10.0.0.7', '2001:db8::/64', '')
    """
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


def raise_file_limit(limits: Limits) -> int:
    """Ask for as many open files as this process may have, and say how many connections that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _FILES_FOR_OURSELVES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
            soft = max(soft, allowed)
        except (OSError, ValueError) as error:  # some containers forbid it
            log.warning("the limit of %d open files cannot be raised: %s", soft, error)
    room = limits.connections if soft == resource.RLIM_INFINITY else soft - _FILES_FOR_OURSELVES
    return max(16, min(limits.connections, room))
