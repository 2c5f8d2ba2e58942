"""A helper container that enters a node's namespaces for one short program: for what the node itself has no right to,
or cannot do while it is paused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chaos.errors import TargetError
from chaos.targets import images
from chaos.targets.compose_engine import OURS, Container, Engine

if TYPE_CHECKING:
    from docker import APIClient


async def enter(
    engine: Engine, container: Container, command: Sequence[str], capability: str = "", **where: Any
) -> str:
    """What it printed. `where` says what of the node it shares: network_mode, pid_mode, volumes_from.

    Raises TargetError, too where a heal elsewhere cleared it away before it had begun.
    """
    added = [capability] if capability else []

    def run(api: APIClient) -> tuple[int, str]:
        config = api.create_host_config(
            cap_drop=["ALL"], cap_add=added, security_opt=["no-new-privileges"], read_only=True, **where
        )
        labels = {OURS: engine.project, "chaos.kind": "guest"}
        made = api.create_container(images.helper_tag(), list(command), labels=labels, host_config=config)
        try:
            api.start(made["Id"])
            code = int(api.wait(made["Id"])["StatusCode"])
            return code, bytes(api.logs(made["Id"])).decode(errors="replace")
        finally:
            api.remove_container(made["Id"], force=True)

    code, said = await engine.ask(run)
    if code:
        raise TargetError(f"{container.service}: what was to be done in it failed: {said.strip()[-300:]}")
    return said
