"""What a supervisor needs of a database server, of its peer and of its own memory: types only."""

from typing import NamedTuple, Protocol


class ServerFailed(Exception):
    """The server did not start, promote or copy; the text has its last words."""


class Survey(NamedTuple):
    """What a server says of itself. `flowing`: as primary, the standby acknowledges what is written; as standby,
    the stream from the primary is up. `lag_s` is None where it is not known."""

    primary: bool
    flowing: bool
    lag_s: float | None = None


class Database(Protocol):
    """A database server of one node, as its supervisor sees it. Peers are host names."""

    def exists(self) -> bool:
        """Whether there is a whole set of data to start from."""

    async def create(self) -> None:
        """Make a set of data with nothing in it."""

    async def join(self, peer: str) -> None:
        """Make the data a copy of the primary `peer`, keeping what can be kept."""

    async def start_primary(self, standby: str | None) -> None:
        """Start so that it accepts writes, which wait for `standby` if one is named; returns once it does."""

    async def start_standby(self, peer: str) -> None:
        """Start as a standby of `peer`; returns once it answers, connected or not."""

    async def promote(self) -> None:
        """Turn the running standby into a primary; returns once it accepts writes."""

    async def require(self, standby: str | None) -> None:
        """Make writes wait for `standby`, or for nobody. When it returns, no write that did not wait is ahead of it."""

    async def survey(self) -> Survey | None:
        """None when the server does not answer in time."""

    async def stop(self) -> None:
        """End in good order within two seconds, else by force."""

    def kill(self) -> None:
        """End every process of the server at once; none is started before `permit`."""

    def permit(self) -> None:
        """Allow starting again."""


class Peer(Protocol):
    async def role(self) -> str | None:
        """What the peer says it is: primary, standby, starting. None: no answer in time."""


class Memory(Protocol):
    """What must outlive the supervisor: primary, standby or forced; empty on a new node."""

    def read(self) -> str: ...
    def write(self, role: str) -> None: ...


class Post(NamedTuple):
    """Where a node stands: its name, its peer's host (None: it is alone) and what it is when there is no past."""

    node: str
    peer: str | None
    first: bool
    sync: bool
