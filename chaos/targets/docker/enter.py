"""A helper container that enters a node's namespaces for a short program: for work that the node itself may not do, or
cannot do while it is paused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chaos.errors import TargetError
from chaos.targets.docker import images
from chaos.targets.docker.engine import Engine

if TYPE_CHECKING:
    from docker import APIClient


async def enter(
    engine: Engine, node: str, command: Sequence[str], capability: str = "", spared: int = 0, **where: Any
) -> str:
    """Run the program; returns its output.

    `where` says what it shares with the node: network_mode, pid_mode, volumes_from. `spared` is an exit code that
    counts as success. Raises TargetError, also if a heal in another process removed the container before it started.
    """
    added = capability.split()

    def run(api: APIClient) -> tuple[int, str]:
        config = api.create_host_config(
            cap_drop=["ALL"], cap_add=added, security_opt=["no-new-privileges"], read_only=True, **where
        )
        labels = engine.own("guest")
        made = api.create_container(images.helper_tag(), list(command), labels=labels, host_config=config)
        try:
            api.start(made["Id"])
            code = int(api.wait(made["Id"])["StatusCode"])
            return code, bytes(api.logs(made["Id"])).decode(errors="replace")
        finally:
            api.remove_container(made["Id"], force=True)

    code, said = await engine.ask(run)
    if code not in (0, spared):
        raise TargetError(f"{node}: the helper program in it failed: {said.strip()[-300:]}")
    return said
