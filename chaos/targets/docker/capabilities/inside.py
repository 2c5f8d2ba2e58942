"""Commands inside containers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.capabilities import Executing
from chaos.targets.docker.engine import Container, Engine
from chaos.targets.docker.engines import Engines
from chaos.targets.docker.streams import Stream

if TYPE_CHECKING:
    from docker import APIClient


class Exec(Executing):
    backend = "docker exec"

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        container = await self._engines.find(node)
        if container.state != "running":
            raise TargetError(f"{node.name}: not running ({container.state}); see `chaos status`")
        try:
            return await run(self._engines.of(node.name), container, command, timeout)
        except TimeoutError:
            raise TargetError(f"{node.name}: `{' '.join(command)}` did not end within {timeout:g} s") from None


async def run(engine: Engine, container: Container, command: Sequence[str], timeout: float) -> tuple[int, str]:
    """Exit code and output. Raises TimeoutError; the command may then still be running in its container."""

    def ask(api: APIClient) -> tuple[int, str] | None:
        made = api.exec_create(container.id, list(command))
        stream = Stream(api.exec_start(made["Id"], socket=True))
        try:
            deadline = time.monotonic() + timeout
            output = stream.read_all(deadline).decode(errors="replace")
            while (end := api.exec_inspect(made["Id"]))["Running"]:  # it may outlive its output for a moment
                if time.monotonic() > deadline:
                    return None
                time.sleep(0.01)
            return int(end["ExitCode"]), output
        except TimeoutError:
            return None
        finally:
            stream.close()

    if (answer := await engine.ask(ask)) is None:
        raise TimeoutError
    return answer
