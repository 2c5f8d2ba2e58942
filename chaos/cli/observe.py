"""`chaos up --observe`: what stands beside the stack to look at it, and where it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from chaos import stackfile
from chaos.cli import targets
from chaos.errors import ChaosError, TargetError
from chaos.model import Node

if TYPE_CHECKING:
    from chaos.stackfile import Service, Stack

PROFILE = "observe"  # of docker-compose.yml: what only --observe starts
READY = 60.0  # seconds for a Grafana to answer
Say = Callable[[str], None]


class Beside(Protocol):
    def nodes(self) -> Sequence[Node]: ...
    async def up_beside(self, names: Sequence[str]) -> None: ...  # start these services too; raises TargetError


def services(stack: Stack) -> Mapping[str, Service]:
    """What the description has under the profile. Raises BadExperiment where it has nothing."""
    return stackfile.beside(stack, PROFILE)


def begin(kind: str, stack: Stack, one: Beside, say: Say) -> None:
    """Start those services beside a stack that is up, and say where they and its Prometheus answer.

    What cannot be started is said in words; the stack stands all the same.
    """
    if kind == "process":
        say("nothing to look at from here: in the box Prometheus answers its own network only, and Grafana is a "
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
            raise TargetError("it has no `ports:`, so nothing here can look at it")
        _answers(url)
    except ChaosError as e:
        say(f"no {names}: {_why(e, shown)}. The stack and its Prometheus stand without it; its dashboards are in "
            "observe/grafana")  # fmt: skip
        return
    targets.write_observed(stack.root, url)
    say(f"Grafana: {url} (look without logging in; `chaos run` writes faults into it)")


def _why(e: ChaosError, shown: Mapping[str, Service]) -> str:
    """Of an image that is not ours to build there is nothing to say but where it comes from."""
    if "registry" not in str(e):
        return str(e).rstrip(".")
    images = " and ".join(sorted({s.image or name for name, s in shown.items()}))
    return f"{images} is not here and no registry gives it; `docker pull {images}` where one answers, then again"


def address(service: Service) -> str | None:
    """Where its first published port answers on this machine."""
    return next((f"http://{host or '127.0.0.1'}:{port}" for host, port, _ in service.ports if port), None)


def _answers(url: str) -> None:
    """Wait until it does. Raises TargetError after READY seconds."""
    ask = build_opener(ProxyHandler({})).open
    end = time.monotonic() + READY
    while True:
        try:
            with ask(f"{url}/api/health", timeout=2.0):
                return
        except (HTTPError, URLError, OSError) as e:
            if time.monotonic() > end:
                raise TargetError(f"{url} did not answer within {READY:.0f} s ({e})") from None
        time.sleep(0.5)
