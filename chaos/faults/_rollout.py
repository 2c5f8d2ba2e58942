"""What faults that roll out configurations have in common: each adds its own variables to a node's environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chaos.model import Node
from chaos.protocols.capabilities import Deploying


async def lay_on(on: Deploying, node: Node, environment: Mapping[str, str]) -> None:
    await on.deploy(node, {**await on.deployed(node), **environment})


async def lies_on(on: Deploying, node: Node, environment: Mapping[str, str]) -> bool:
    return environment.items() <= (await on.deployed(node)).items()


async def take_off(on: Deploying, node: Node, names: Collection[str]) -> None:
    """Remove variables from a node. Idempotent. The node restarts if it had any of them."""
    deployed = await on.deployed(node)
    kept = {k: v for k, v in deployed.items() if k not in names}
    if not kept:
        await on.undeploy(node)
    elif len(kept) < len(deployed):
        await on.deploy(node, kept)
