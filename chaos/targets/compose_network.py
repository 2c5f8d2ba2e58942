"""Cuts between containers: one helper container in the host's network speaks to the kernel's packet filter for us.

The helper is the only container with a capability (NET_ADMIN, on the host's network). It ends when our connection
does, however we end, and takes its cuts with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.errors import TargetError
from chaos.helper import nft
from chaos.protocols import Cut
from chaos.targets import images
from chaos.targets.compose_engine import OURS, PATIENCE, Engine
from chaos.targets.compose_stream import Stream

if TYPE_CHECKING:
    from docker import APIClient

_BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_NOT_BRIDGED = (
    "packets between containers do not pass the packet filter (net.bridge.bridge-nf-call-iptables is not 1), "
    "so nothing can be cut; as root: modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1"
)

_UNKNOWN = ""  # who asked for a cut that another process made


def cut_blocked() -> str | None:
    """Why nothing can be cut on this machine, with what to do; None where it can, or where only the helper can tell."""
    if sys.platform != "linux":
        return None  # the engine's kernel is in a virtual machine; the helper looks there before the first cut
    return None if _BRIDGED.exists() and _BRIDGED.read_text().strip() == "1" else _NOT_BRIDGED


class Network:
    """The cuts of one stack. `addresses`: of each node by name. Every method raises TargetError."""

    def __init__(self, engine: Engine, addresses: Mapping[str, str]) -> None:
        self._engine = engine
        self._addresses = addresses
        self._table = engine.project.replace("-", "_")  # two stacks on one engine do not heal each other
        self._kept: list[tuple[str, Cut]] = []
        self._stream: Stream | None = None
        self._bridged = False
        self._one_at_a_time = threading.Lock()
        self._changing = asyncio.Lock()  # what stands is read, then replaced: two joins at once would lose one

    async def cut(self, by: str, cuts: Sequence[Cut]) -> None:
        async with self._changing:
            kept = await self._standing()
            await self._apply([*kept, *((by, cut) for cut in cuts if (by, cut) not in kept)])

    async def join(self, by: str, cuts: Sequence[Cut]) -> None:
        ended = {(who, cut) for cut in cuts for who in (by, _UNKNOWN)}
        async with self._changing:
            await self._apply([kept for kept in await self._standing() if kept not in ended])

    async def _standing(self) -> list[tuple[str, Cut]]:
        """The kernel's word counts: what another process has healed is not cut again, what it has cut stays."""
        force = await self.in_force()
        ours = [(by, cut) for by, cut in self._kept if cut in force]
        known = {cut for _, cut in ours}
        return [*ours, *((_UNKNOWN, cut) for cut in force if cut not in known)]

    async def in_force(self) -> Sequence[Cut]:
        """What the kernel cuts now, whoever asked for it."""
        names = {address: name for name, address in self._addresses.items()}
        answer = await self._ask({"do": "listing"})
        return [_named(cut, names) for cut in answer["cuts"]]

    async def is_cut(self, cut: Cut) -> bool:
        return any(c.a == cut.a and c.b == cut.b and (c.both or not cut.both) for c in await self.in_force())

    async def residue(self) -> Sequence[str]:
        names = {address: name for name, address in self._addresses.items()}
        answer = await self._ask({"do": "listing"})
        cuts = [_named(cut, names) for cut in answer["cuts"]]
        words = [f"{_listed(c.a)} {'is' if len(c.a) == 1 else 'are'} cut off from {_listed(c.b)}" for c in cuts]
        return words or (
            [f"the kernel's table inet {self._table} is there, with no cut in it"] if answer["standing"] else []
        )

    async def clear(self) -> None:
        """Join everything that anybody cut."""
        await self._ask({"do": "clear"})
        self._kept = []

    async def close(self) -> None:
        """End the helper of this process, and with it the cuts it made."""
        with self._one_at_a_time:
            if self._stream:
                self._stream.close()
                self._stream = None
        self._kept = []

    async def _apply(self, kept: list[tuple[str, Cut]]) -> None:
        wanted = list(dict.fromkeys(cut for _, cut in kept))
        await self._ask({"do": "apply", "cuts": [self._in_addresses(cut) for cut in wanted]})
        if wanted and not self._bridged:
            raise TargetError(_NOT_BRIDGED)
        self._kept = kept

    def _in_addresses(self, cut: Cut) -> nft.Cut:
        def of(names: frozenset[str]) -> list[str]:
            return sorted(self._addresses.get(name, name) for name in names)  # another posture's stay addresses

        return nft.Cut(a=of(cut.a), b=None if cut.b is None else of(cut.b), both=cut.both)

    async def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self._engine.ask(lambda api: self._talk(api, request))
        if not answer["ok"]:
            raise TargetError(f"the network helper could not {request['do']}: {answer['error']}")
        return answer

    def _talk(self, api: APIClient, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._one_at_a_time:
            if self._stream is None:
                self._stream = self._start(api)
                self._bridged = bool(self._say({"do": "ping"}).get("bridged"))
            return self._say(request)

    def _say(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._stream is not None
        try:
            self._stream.write_line(json.dumps(request).encode())
            line = self._stream.read_line(time.monotonic() + PATIENCE)
        except OSError:  # a broken pipe, or no answer in time: the next call starts another helper
            line = b""
        if not line:
            errors, self._stream = self._stream.errors, None
            raise TargetError(f"the network helper ended: {errors.decode(errors='replace')[-500:] or 'without a word'}")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def _start(self, api: APIClient) -> Stream:
        config = api.create_host_config(
            network_mode="host",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN"],
            security_opt=["no-new-privileges"],
            read_only=True,
            auto_remove=True,
        )
        made = api.create_container(
            images.helper_tag(),
            ["python3", "-u", "-m", "helper", self._table],
            stdin_open=True,
            labels={OURS: self._engine.project, "chaos.kind": "helper"},
            host_config=config,
        )
        stream = Stream(api.attach_socket(made["Id"], {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}))
        api.start(made["Id"])
        return stream


def _named(cut: Mapping[str, Any], names: Mapping[str, str]) -> Cut:
    def of(addresses: Sequence[str]) -> frozenset[str]:
        return frozenset(names.get(address, address) for address in addresses)

    return Cut(of(cut["a"]), None if cut["b"] is None else of(cut["b"]), bool(cut["both"]))


def _listed(names: frozenset[str] | None) -> str:
    return "everybody" if names is None else ", ".join(sorted(names))
