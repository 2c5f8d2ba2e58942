"""What faults that roll configurations out have in common: each has variables of its own on a node, beside others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chaos.model import Node
from chaos.protocols import CanDeploy


async def lay_on(target: CanDeploy, node: Node, environment: Mapping[str, str]) -> None:
    await target.deploy(node, {**await target.deployed(node), **environment})


async def lies_on(target: CanDeploy, node: Node, environment: Mapping[str, str]) -> bool:
    return environment.items() <= (await target.deployed(node)).items()


async def take_off(target: CanDeploy, node: Node, names: Collection[str]) -> None:
    """Idempotent. The node restarts, if any of them was there."""
    deployed = await target.deployed(node)
    kept = {k: v for k, v in deployed.items() if k not in names}
    if not kept:
        await target.undeploy(node)
    elif len(kept) < len(deployed):
        await target.deploy(node, kept)
