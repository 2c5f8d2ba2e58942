"""A program of the harness where the users are: a container of its own on the stack's networks, outside every zone."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from chaos.errors import TargetError
from chaos.protocols.capabilities import Hosted
from chaos.targets.docker import images
from chaos.targets.docker.engine import Container, Engine, cgroup_parent

if TYPE_CHECKING:
    from docker import APIClient

INTERNET = 9  # the third byte of the users' addresses, 10.77.9.0/24
_LOOK_EVERY = 0.2  # seconds


@final
class HostedContainer(Hosted):
    def __init__(self, engine: Engine, container: Container) -> None:
        self._engine, self._container = engine, container
        self.id = container.id
        self._code: int | None = None

    async def wait(self) -> int:
        while self._code is None:
            state = await self._state()
            if state is None or state["Status"] in ("exited", "dead"):
                await self._finish(state)
                break
            await asyncio.sleep(_LOOK_EVERY)
        assert self._code is not None
        return self._code

    async def stop(self, grace: float = 5.0) -> None:
        if self._code is None:
            await self._send("SIGTERM")
            try:
                async with asyncio.timeout(grace):
                    await self.wait()
            except TimeoutError:
                await self._send("SIGKILL")
                await self.wait()

    async def _send(self, signal: str) -> None:
        await self._engine.each([self._container.id], lambda api, id_: api.kill(id_, signal), 404, 409)

    async def _state(self) -> dict[str, Any] | None:
        from docker.errors import NotFound

        def look(api: APIClient) -> dict[str, Any] | None:
            try:
                return dict(api.inspect_container(self._container.id)["State"])
            except NotFound:
                return None

        return await self._engine.ask(look)

    async def _finish(self, state: dict[str, Any] | None) -> None:
        """A container that was removed counts as killed."""
        if self._code is None:
            self._code = 137 if state is None else int(state["ExitCode"])
            await self._engine.remove([self._container])


async def begin(
    engine: Engine, readable: Sequence[Path], command: Sequence[str], run_dir: Path, log: str
) -> HostedContainer:
    """Start `command` as the invoking user, in the first of the `readable` folders. Raises TargetError.

    These folders and this package are mounted read-only and `run_dir` writable, all at their own paths. Output is
    written to run_dir/logs/`log`.
    """
    run_dir = run_dir.resolve()
    output = run_dir / "logs" / log
    output.parent.mkdir(parents=True, exist_ok=True)
    network, *others = await engine.networks()
    for address in _free(network, [c.networks.get(network["Name"], {}) for c in (await engine.containers()).values()]):
        make = functools.partial(_create, engine.own("load"), readable, run_dir, network["Name"], address)
        argv = ["sh", "-c", 'exec "$@" >>"$0" 2>&1', str(output), *command]
        container = Container(await engine.ask(functools.partial(make, argv)), "created", {}, "")
        try:
            for other in others:
                await engine.ask(functools.partial(_join, container.id, other["Id"]))
            await engine.each([container.id], lambda api, id_: api.start(id_))
        except TargetError as e:
            await engine.remove([container])
            if "address already in use" not in str(e.__cause__).lower():
                raise
            continue  # another load has just taken it
        return HostedContainer(engine, container)
    raise TargetError("no address is left for a load on the stack's network; `chaos down` ends the existing ones")


def _join(container: str, network: str, api: APIClient) -> None:
    api.connect_container_to_network(container, network)


def _create(
    labels: Mapping[str, str],
    readable: Sequence[Path],
    run_dir: Path,
    network: str,
    address: str | None,
    argv: Sequence[str],
    api: APIClient,
) -> str:
    package = images.PACKAGE
    folders = dict.fromkeys([*readable, package])
    binds = [*(f"{f}:{f}:ro" for f in folders), f"{run_dir}:{run_dir}:rw"]  # the innermost mount wins
    made = api.create_container(
        images.load_tag(),
        list(argv),
        user=f"{os.getuid()}:{os.getgid()}",
        working_dir=str(readable[0]),
        environment={
            "PYTHONPATH": str(package.parent),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/tmp",
        },
        labels={**labels, "chaos.load": "true"},
        networking_config=api.create_networking_config(
            {network: api.create_endpoint_config(ipv4_address=address)}  # type: ignore[arg-type]  # the stub is wrong
        ),
        host_config=api.create_host_config(
            network_mode=network,
            binds=binds,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            cgroup_parent=cgroup_parent(api),
            cpu_shares=4096,  # when processors are short, users have priority, because they measure
            init=True,  # signals reach a program that is not written to be pid 1
        ),
    )
    return str(made["Id"])


def _free(network: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> Sequence[str | None]:
    """Addresses to try, in order; [None] if the engine chooses, as it does for the nodes' own addresses."""
    used = {c["IPv4Address"].partition("/")[0] for c in network["Containers"].values()}
    if not any((node.get("IPAMConfig") or {}).get("IPv4Address") for node in nodes):
        return [None]
    for config in network["IPAM"]["Config"] or []:
        subnet = ip_network(config["Subnet"])
        if subnet.version == 4 and subnet.prefixlen <= 16:
            zone = [str(subnet[INTERNET * 256 + n]) for n in range(1, 255)]
            return [address for address in zone if address not in used]
    return [None]
