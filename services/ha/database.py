"""What a supervisor needs of a database server, of its peer and of its own memory: only types."""

from typing import NamedTuple, Protocol


class ServerFailed(Exception):
    """The server did not start, promote or copy; the text contains its last output."""


class Survey(NamedTuple):
    """A server's report about itself.

    `flowing`: on the primary, the standby acknowledges writes; on the standby, the stream from the primary is up.
    `lag_s` is None if unknown.
    """

    primary: bool
    flowing: bool
    lag_s: float | None = None


class Database(Protocol):
    """A database server of one node, as its supervisor sees it. Peers are host names."""

    def exists(self) -> bool:
        """Whether there is a complete set of data to start from."""

    async def create(self) -> None:
        """Create an empty set of data."""

    async def join(self, peer: str) -> None:
        """Make the data a copy of the primary `peer`, reusing what is possible."""

    async def start_primary(self, standby: str | None) -> None:
        """Start so that it accepts writes, which wait for `standby` if one is named; returns once it does."""

    async def start_standby(self, peer: str) -> None:
        """Start as a standby of `peer`; returns once it answers, connected or not."""

    async def promote(self) -> None:
        """Turn the running standby into a primary; returns once it accepts writes."""

    async def require(self, standby: str | None) -> None:
        """Make writes wait for `standby`, or for none. When it returns, no write that did not wait is ahead of the
        standby.
        """

    async def survey(self) -> Survey | None:
        """None if the server does not answer in time."""

    async def stop(self) -> None:
        """End gracefully within two seconds, else by force."""

    def kill(self) -> None:
        """End every process of the server at once; none is started before `permit`."""

    def permit(self) -> None:
        """Allow starting again."""


class Peer(Protocol):
    async def role(self) -> str | None:
        """The peer's role by its own account: primary, standby, starting. None: no answer in time."""


class Memory(Protocol):
    """What must survive the supervisor: primary, standby or forced; empty on a new node."""

    def read(self) -> str: ...
    def write(self, role: str) -> None: ...


class Post(NamedTuple):
    """A node's position: its name, its peer's host (None: it has none), and its role when there is no stored one."""

    node: str
    peer: str | None
    first: bool
    sync: bool
