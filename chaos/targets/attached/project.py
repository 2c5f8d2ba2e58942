"""A project on the engine that others started: what is the harness's own there, and what it has changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from chaos.targets.docker.engine import PROJECT, Container, Engine
from chaos.targets.docker.engines import TOUCHED
from chaos.targets.docker.notes import Notes

if TYPE_CHECKING:
    from docker import APIClient


class Project(Engine):
    """Its nodes are the project's containers, whoever made them. What the harness makes beside them is labelled."""

    attached = True

    def __init__(self, name: str, replicated: Collection[str] = ()) -> None:
        super().__init__(name, f"project:{name}", replicated=replicated)

    def nodes(self) -> list[str]:
        return [f"{PROJECT}={self.project}"]

    async def others(self) -> list[Container]:
        """Everything in it is somebody else's."""
        return []


def touched(api: APIClient, engine: Engine) -> Collection[str]:
    """Names of the nodes that a fault may have ended or frozen."""
    return Notes(engine).read(api, TOUCHED).keys()
