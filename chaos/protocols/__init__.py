"""The protocols between the core and its plug-ins (target, fault, probe, load, checker), with their defaults."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from chaos.errors import TargetError
from chaos.experiment.plan import Plan
from chaos.model import Finding, Node, Note
from chaos.protocols.table import C, Key, Table
from chaos.record.findings import FactRow, Reports
from chaos.record.journal import Journal


class Sink(Protocol):
    """The receiver of all events."""

    def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None: ...


class Target(Protocol):
    """A running system: its lifecycle, and a table of its capabilities. Every method may raise TargetError."""

    name: ClassVar[str]
    contained: ClassVar[bool] = False  # its programs come from images, not from this machine
    kept_in: ClassVar[str] = ""  # description of what isolates the stack's programs from this machine

    @property
    def can(self) -> Table: ...  # depends only on the stack's description; also used while planning

    def nodes(self) -> Sequence[Node]: ...
    async def up(self) -> None: ...  # starts what is not running; returns when every node is healthy
    async def down(self) -> None: ...  # ends everything this target started; idempotent
    async def heal(self) -> None: ...  # undoes every fault, whoever injected it; idempotent; works in a new process
    async def residue(self) -> Sequence[str]: ...  # what faults have left behind, one phrase each; empty means clean
    async def running(self, node: Node) -> bool: ...
    async def healthy(self, node: Node) -> bool: ...  # whether its health check passes now
    async def logs(self, node: Node, lines: int = 20) -> Sequence[str]: ...  # the node's last output

    async def undisputed(self) -> None:
        """Check ownership before any work on the stack. Raises NotOurs if something that looks like its nodes is not
        its own.
        """
        return None

    async def prepare(self) -> None:
        """Make what faults and load need beside a stack that is running already. Raises TargetError."""
        return None

    async def up_beside(self, names: Sequence[str]) -> None:
        """Start services of the description that are not nodes of the stack. Raises TargetError."""
        raise TargetError(f"target {self.name} starts nothing beside a stack")

    async def remains(self) -> Sequence[str]:
        """What exists of a stack that is not running, as text; empty if it always ends with its owner."""
        return ()


class Fault(Protocol[C]):
    """`needs` is the one capability it requires of a target, checked while planning. Each method gets the target's
    object for it.

    Every check may raise CannotLook if the answer is unknown.
    """

    needs: Key[C]
    ahead: ClassVar[float] = 0.3  # seconds that a check may take: it starts this long before the injection and the heal
    whole: ClassVar[bool] = False  # one fault for all its nodes, which ends for all of them at once
    adds_up: ClassVar[bool] = False  # together with others of its kind on the same nodes
    momentary: ClassVar[bool] = False  # over once it has happened: what the node does after that is not checked
    hidden_by_death: ClassVar[bool] = False  # it applies to whatever runs in a node, but shows only if the node runs
    compared: ClassVar[bool] = False  # `felt` compares the vitals before and during the fault

    async def inject(self, on: C, nodes: Sequence[Node]) -> None: ...
    async def confirm(self, on: C, nodes: Sequence[Node]) -> bool: ...  # whether it is in force; changes nothing
    async def heal(self, on: C, nodes: Sequence[Node]) -> None: ...  # idempotent, keeps no state in self

    async def already(self, on: C, nodes: Sequence[Node]) -> bool:
        """Right before the injection, for each node (for all together if `whole`): is the effect already there?
        Quick.
        """
        return await self.confirm(on, nodes)

    def felt(self, before: Mapping[str, float], during: Mapping[str, float]) -> bool | None:
        """Whether the vitals changed as the fault changes them; None if they cannot be compared."""
        return True

    async def still(self, on: C, nodes: Sequence[Node]) -> bool:
        """Right before the heal: is it still in force? Override it if `confirm` requires more than that."""
        return await self.confirm(on, nodes)

    async def figures(self, on: C, nodes: Sequence[Node]) -> Mapping[str, float]:
        """Measurements of its effect while it is in force, for the journal; quick, changes nothing."""
        return {}

    async def vitals(self, on: C, nodes: Sequence[Node]) -> Mapping[str, float]:
        """The state of the nodes with or without the fault, measured before, during and after. Changes nothing."""
        return {}


class Probe(Protocol):
    """Samples a value periodically during a run. A check that uses its samples names it (`Checker.probe`).

    It is created as `cls(target, name, every, **params)`; `params` are those parameters of the check that it `takes`.
    """

    name: str  # subject of its samples in the journal
    every: float  # seconds
    takes: ClassVar[Collection[str]] = ()

    @staticmethod
    def missing(nodes: Iterable[Node], params: Mapping[str, Any]) -> str | None:
        """Why these nodes cannot be asked, and what to do about it; None if they can."""
        return None

    async def sample(self) -> Mapping[str, float]: ...


class Load(Protocol):
    """Users. `t0` is on CLOCK_MONOTONIC (the event loop's clock), in seconds. Every method may raise ChaosError."""

    lead: float  # seconds that `start` needs before its first arrival

    async def prepare(self) -> None: ...  # creates accounts and tokens, before operations are recorded
    async def start(self, t0: float, until: float) -> None: ...  # arrivals from the steady phase on to t0 + until
    def success(self, seconds: float) -> Mapping[str, tuple[int, int]]: ...  # journey: (ok, all), in the last seconds
    async def drain(self) -> None: ...  # returns when the last operation has ended
    async def readback(self) -> None: ...  # reads everything back, as `op: readback` lines
    async def stop(self) -> None: ...  # ends immediately; idempotent

    def notes(self) -> Sequence[Note]:
        """What the load noticed about itself, such as that its event loop stood still; the journal gets them."""
        return ()


class Checker(Protocol):
    """A check; its parameters are fields. `looser` says which ones an `xfail` may bound: 1 if more is looser, -1 if
    less is.
    """

    least: ClassVar[int] = 30  # operations or samples; with fewer it is INCONCLUSIVE
    fewer: ClassVar[str] = ""  # why fewer are enough, if they are
    looser: ClassVar[Mapping[str, int]] = {}
    fails: ClassVar[str] = ""  # when it fails, for the guide's table of checks
    probe: ClassVar[str] = ""  # kind of the probe whose samples it reads; its field `name` is then the probe's name
    convicts_early: ClassVar[bool] = False  # also in a run stopped early: the rest could not change the result
    convicts_starved: ClassVar[bool] = False  # also on a machine without enough processor time
    of_users: ClassVar[bool] = False  # it judges users' operations, so it is refused in an experiment without a load

    def check(self, journal: Journal) -> Finding: ...  # pure; evidence names lines

    def refused(self, extensions: Mapping[str, Any]) -> Iterable[str]:
        """Why no plan may have this check that carries these extensions, in words."""
        return ()


class Assumption(Protocol):
    """What must hold in every run before its checks can pass or fail. It has no parameters."""

    least: ClassVar[int] = 30  # as for a checker
    fewer: ClassVar[str] = ""
    place: ClassVar[int] = 100  # position among the assumptions' findings, the lowest first
    vital: ClassVar[bool] = False  # without it no failure counts; it is reported only if it does not hold
    alone: ClassVar[bool] = True  # it makes the run INCONCLUSIVE even if it excuses no check
    excuse: ClassVar[str] = ""  # why a failed check does not count if this does not hold; empty: it counts

    def check(self, journal: Journal) -> Finding: ...  # pure; evidence names lines

    def applies(self, journal: Journal) -> bool:
        """Whether it applies to the run; if not, it is left out."""
        return True

    def excuses(self, checker: Checker) -> bool:
        """Whether it can excuse a failure of this check."""
        return bool(self.excuse)


class Measure(Protocol):
    """An additional figure, or one for each journey, node or step. It has no parameters.

    Every report shows it with its title and unit. None means "never", or "unknown" if less is worse.
    """

    title: ClassVar[str]
    unit: ClassVar[str]
    worse: ClassVar[Literal["more", "less", ""]] = ""  # trends test it if it is set

    def measure(self, journal: Journal) -> Mapping[str, float | None]: ...  # pure; {} if the run does not provide it


class Dossier(Protocol):
    """Facts about something that a run replays, such as an incident. It has no parameters; all methods are pure."""

    def facts(self, journal: Journal) -> Sequence[FactRow]:
        """Each fact with the run's measurement."""
        return ()

    def length(self, plan: Plan) -> float | None:
        """How long that lasted, in run seconds; None where nobody knows, or this plan replays nothing of the kind."""
        return None

    def expected(self, plan: Plan) -> Mapping[str, tuple[float, float]]:
        """Facts that are figures, least and most, under the names of the measures that they stand beside."""
        return {}

    def outage_reports(self, journal: Journal) -> Sequence[tuple[float, str]]:
        """When people would have reported an outage, in run seconds, and from which region."""
        return ()

    def reports(self, journal: Journal) -> Reports | None:
        """A summary of their reports; None if the plan has no such people."""
        return None
