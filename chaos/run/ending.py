"""The end of every run: stops the load and the probes, heals the target, scans it for residue, and takes it down if the
run owns it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterator

from chaos.errors import ChaosError
from chaos.experiment.plan import Plan
from chaos.model import Verdict
from chaos.protocols import Sink
from chaos.run.lease import Lease
from chaos.run.stage import Participants
from chaos.waiting import wait_until

PATIENCE = 30.0  # seconds for which ending and healing are retried
AGAIN = 1.0  # seconds between two attempts


async def end(plan: Plan, participants: Participants, sink: Sink, status: str) -> None:
    """Carry out each part of the ending even if the previous one failed. The journal records the failures."""
    bugs: list[Exception] = []
    noted = functools.partial(_noted, sink, plan.experiment, bugs)
    clock = asyncio.get_running_loop().time
    until = clock() + PATIENCE

    async def insist(work: Callable[[], Awaitable[None]], subject: str) -> None:
        """Retry `work` if it fails: an engine that is unavailable for a moment must not leave its containers broken."""

        async def done() -> bool:
            await work()
            return True

        def tell(error: BaseException) -> None:
            with contextlib.suppress(ChaosError):  # a full disk, which was reported already
                sink.emit("end.again", subject, error=str(error))

        await wait_until(done, until - clock(), AGAIN, again_on=ChaosError, told=tell)

    await participants.lease.settled()
    with noted():
        await insist(participants.load.stop, "load")
    with noted():
        await insist(participants.watch.stop, "probes")
    with noted():
        sink.emit("run.heal", participants.target.name)
    if not participants.owned or status in ("done", "stopped"):
        with noted(), _abandoned(participants.lease):
            await insist(participants.target.heal, participants.target.name)
        with noted():  # even if the heal failed: then the scan matters most
            sink.emit("residue", participants.target.name, left=list(await participants.target.residue()))
    if participants.owned:
        with noted():
            sink.emit("phase", "down")
        with noted(), _abandoned(participants.lease):
            await insist(participants.target.down, participants.target.name)
    sink.emit("run.end", plan.experiment, status=status)
    if bugs:
        raise bugs[0]


def tell(sink: Sink, subject: str, error: Exception) -> None:
    """Record the error together with its verdict, so that judging the run later does not depend on the class name."""
    mild = isinstance(error, ChaosError) and error.exit_code == Verdict.INCONCLUSIVE.exit_code
    verdict = Verdict.INCONCLUSIVE if mild else Verdict.ERROR
    words = str(error) or repr(error)
    sink.emit("run.error", subject, error=words, type=type(error).__name__, verdict=verdict.value)


@contextlib.contextmanager
def _noted(sink: Sink, subject: str, bugs: list[Exception]) -> Iterator[None]:
    """Journal a failure in the block and continue.

    Exceptions that are not ChaosErrors are bugs and are kept in `bugs`.
    """
    try:
        yield
    except Exception as e:
        if not isinstance(e, ChaosError):
            bugs.append(e)
        with contextlib.suppress(ChaosError):  # a full disk, which was reported already
            tell(sink, subject, e)


@contextlib.contextmanager
def _abandoned(lease: Lease) -> Iterator[None]:
    """If the block fails, leave the work to the watchdog, which retries for longer."""
    try:
        yield
    except Exception:
        lease.abandon()
        raise
