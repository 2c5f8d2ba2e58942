"""`chaos up --observe`: starts Grafana beside the stack, and prints addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.request import ProxyHandler, build_opener

from chaos.errors import ChaosError, TargetError
from chaos.experiment import stack as stackfile
from chaos.model import Node
from chaos.place import standing
from chaos.targets.known import boxed

if TYPE_CHECKING:
    from chaos.experiment.service import Service
    from chaos.experiment.stack import Stack

PROFILE = "observe"  # of docker-compose.yml: services that only --observe starts
READY = 60.0  # seconds for Grafana to answer
Say = Callable[[str], None]


class Beside(Protocol):
    def nodes(self) -> Sequence[Node]: ...
    async def up_beside(self, names: Sequence[str]) -> None: ...  # starts these services too; raises TargetError


def services(stack: Stack) -> Mapping[str, Service]:
    """The services under the profile. Raises BadExperiment if there are none."""
    return stackfile.beside(stack, PROFILE)


def begin(kind: str, stack: Stack, one: Beside, say: Say) -> None:
    """Start those services beside a running stack, and print their addresses and that of its Prometheus.

    A service that cannot be started is reported; the stack keeps running.
    """
    if boxed(kind):
        say("not available here: in the box Prometheus answers its own network only, and Grafana is a "
            "container. Use --target compose, or a Prometheus of your own (docs/guide/grafana.md)")  # fmt: skip
        return
    shown, running = services(stack), {n.name for n in one.nodes()}
    for name, service in stack.services.items():
        if service.node.component == "prometheus" and name in running:
            say(f"Prometheus: {address(service) or 'in the stack only, it has no `ports:`'}")
    _containers(stack, one, shown, say)


def _containers(stack: Stack, one: Beside, shown: Mapping[str, Service], say: Say) -> None:
    names = ", ".join(sorted(shown))
    try:
        asyncio.run(one.up_beside(sorted(shown)))
        url = next(filter(None, map(address, shown.values())), None)
        if url is None:
            raise TargetError("it has no `ports:`, so it cannot be reached from here")
        _answers(url)
    except ChaosError as e:
        say(f"no {names}: {_why(e, shown)}. The stack and its Prometheus run without it; its dashboards are in "
            "observe/grafana")  # fmt: skip
        return
    standing.write_observed(stack.root, url)
    say(f"Grafana: {url} (no log-in needed; `chaos run` annotates faults in it)")


def _why(e: ChaosError, shown: Mapping[str, Service]) -> str:
    """What to report. For an image that is not built here, that is only where to get it."""
    if "registry" not in str(e):
        return str(e).rstrip(".")
    images = " and ".join(sorted({s.image or name for name, s in shown.items()}))
    return f"{images} is missing and no registry has it; run `docker pull {images}` where one answers, then try again"


def address(service: Service) -> str | None:
    """The address of its first published port on this machine."""
    return next((f"http://{p.host or '127.0.0.1'}:{p.outside}" for p in service.ports if p.outside), None)


def _answers(url: str) -> None:
    """Wait until `url` answers. Raises TargetError after READY seconds."""
    from chaos.waiting import block_until

    ask = build_opener(ProxyHandler({})).open

    def answered() -> bool:
        with ask(f"{url}/api/health", timeout=2.0):
            return True

    try:
        block_until(answered, READY, 0.5, again_on=OSError)  # the base class of urllib's errors
    except OSError as e:
        raise TargetError(f"{url} did not answer within {READY:.0f} s ({e})") from None
