"""The embedded target in the box, where every node has a network of its own and so can be cut off."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from chaos.errors import TargetError
from chaos.helper import nft
from chaos.protocols import CanPower, Cut
from chaos.stackfile import Service, Stack
from chaos.targets import box
from chaos.targets.ground import Ground, Namespaces
from chaos.targets.process import Process

T = TypeVar("T")


class Boxed(Process, CanPower):
    """Cuts are kept in a file by who asked for them; the kernel's one table is their union."""

    name: ClassVar[str] = "process"

    def _make_ground(self) -> Ground:
        if box.inside() != "box":
            raise TargetError("this is not the inside of a box; enter one with chaos.targets.box.run_inside")
        return Namespaces()

    def _unfit(self, service: Service) -> str:
        return self._missing(service)

    async def cut(self, by: str, cuts: Sequence[Cut]) -> None:
        kept = self._kept()
        self._put([*kept, *((by, cut) for cut in cuts if (by, cut) not in kept)])

    async def join(self, by: str, cuts: Sequence[Cut]) -> None:
        ended = {(by, cut) for cut in cuts}
        self._put([entry for entry in self._kept() if entry not in ended])

    async def is_cut(self, cut: Cut) -> bool:
        wanted = _comparable(self._in_addresses(cut))
        return wanted in map(_comparable, _ask_kernel(nft.listing))

    async def residue(self) -> Sequence[str]:
        addresses = {address: name for name, address in self._addresses().items()}
        left = [_in_words(cut, addresses) for cut in _ask_kernel(nft.listing)]
        return [*await super().residue(), *left]

    async def _clear_network(self) -> None:
        _ask_kernel(nft.clear)
        self._file.unlink(missing_ok=True)

    def _put(self, entries: Sequence[tuple[str, Cut]]) -> None:
        """The file first: whoever heals after our death knows of more than there is, never of less."""
        words = [[by, sorted(c.a), sorted(c.b) if c.b is not None else None, c.both] for by, c in entries]
        self._file.write_text(json.dumps(words))
        cuts = {_comparable(c): c for c in (self._in_addresses(cut) for _, cut in entries)}
        _ask_kernel(lambda: nft.apply(list(cuts.values())))

    def _kept(self) -> list[tuple[str, Cut]]:
        if not self._file.exists():
            return []
        words = json.loads(self._file.read_text())
        return [(by, Cut(frozenset(a), None if b is None else frozenset(b), both)) for by, a, b, both in words]

    @property
    def _file(self) -> Path:
        return self._ground.folder / "cuts.json"

    def _in_addresses(self, cut: Cut) -> nft.Cut:
        of = self._addresses()
        everybody_else = cut.b is None
        return nft.Cut(
            a=sorted(of[name] for name in cut.a),
            b=None if everybody_else else sorted(of[name] for name in cut.b or ()),
            both=cut.both,
        )


def here(stack: Stack, log_dir: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Process:
    """The embedded target for where this process runs: in the box, or where only plain processes are to be had.

    Outside of any box (while planning) it is the one that a run would get.
    """
    kind = box.inside() or ("plain" if box.available() else "box")
    return (Boxed if kind == "box" else Process)(stack, log_dir, progress)


def _ask_kernel(call: Callable[[], T]) -> T:
    try:
        return call()
    except OSError as e:
        raise TargetError(f"the kernel refused the rules of a cut: {e}; `chaos doctor` says what is missing") from e


def _comparable(cut: nft.Cut) -> tuple[frozenset[str], frozenset[str] | None, bool]:
    return frozenset(cut["a"]), None if cut["b"] is None else frozenset(cut["b"]), bool(cut["both"])


def _in_words(cut: nft.Cut, names: Mapping[str, str]) -> str:
    def listed(addresses: Sequence[str]) -> str:
        return ", ".join(sorted(names.get(a, a) for a in addresses))

    return f"{listed(cut['a'])} is cut off from {'everybody' if cut['b'] is None else listed(cut['b'])}"
