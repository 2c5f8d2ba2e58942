"""The network helper: JSON lines in, one JSON line out for each; `python3 -m helper [TABLE]`.

    {"do": "apply", "rules": [{"a": ["10.77.1.13"], "b": null, "both": true, "do": "drop"}],
     "shapes": [{"a": ["10.77.1.14"], "delay_ms": 20}]}     →  {"ok": true}
    {"do": "listing"}  →  {"ok": true, "rules": [..., with packets], "shapes": [..., with counts], "standing": true,
                           "held": 3, "passed": 0}
    {"do": "clear"}, {"do": "ping"}                         →  {"ok": true}
    any request that the kernel refuses                     →  {"ok": false, "error": "..."}

Rules are the kernel's (nft.Rule), including one with "queue" for each shape. Shapes are those of this process
(shapes.Shape).

It ends when its input is closed, or on SIGTERM, and removes everything it made, so that a killed harness leaves a
working network. Rules made by other processes stay: looking at the network never heals it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import nft
from .queue import Queue
from .shapes import Shape, Shapes

BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


class Session:
    """The requests of one harness. `owns` is whether this session made the table."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.owns = False
        self.queue: Queue | None = None
        self._shapes = Shapes([])

    def answer(self, line: str) -> dict[str, Any]:
        try:
            request = json.loads(line)
            return {"ok": True, **self._do(request)}
        except Exception as e:  # an invalid request must not end the helper
            return {"ok": False, "error": str(e) or repr(e)}

    def close(self) -> None:
        """Remove what this session made; held packets are sent at once."""
        if self.owns:
            self._clear()

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "apply":
                self._apply(request["rules"], request.get("shapes", []))
            case "clear":
                self._clear()
            case "listing":
                return self._listing()
            case "ping":  # bridged packets reach the table only if this is 1
                return {"bridged": BRIDGED.exists() and BRIDGED.read_text(encoding="utf-8").strip() == "1"}
            case other:
                raise ValueError(f"expected apply, clear, listing or ping; found {other!r}")
        return {}

    def _apply(self, rules: Sequence[nft.Rule], asked: Sequence[Shape]) -> None:
        """Apply rules and shapes. Steps that may fail come first, and rules come after the shapes they lead to."""
        if any(rule.get("do") == "queue" for rule in rules):
            raise ValueError("a queue comes with its shape; ask for the shape")
        if not rules and not asked:
            return self._clear()
        shapes = Shapes(asked, self._shapes)
        before = self.queue
        if asked and self.queue:
            self.queue.prepare(shapes)
        elif asked:
            self.queue = Queue(shapes)
        number = self.queue.number if self.queue else nft.QUEUE
        try:
            nft.apply([*rules, *map(_queued, asked)], self.table, number)
        except BaseException:
            if not before:
                self._end_queue()
            raise
        self.owns = True
        self._shapes = shapes
        if before and asked:
            before.change(shapes)
        elif before:
            self._end_queue()

    def _listing(self) -> dict[str, Any]:
        return {
            "rules": nft.listing(self.table),
            "shapes": self._shapes.listing(),
            "standing": nft.standing(self.table),
            "held": self.queue.held() if self.queue else 0,
            "passed": self.queue.passed if self.queue else 0,
        }

    def _clear(self) -> None:
        if self.queue:
            nft.ease(self.table)
            self._end_queue()
        nft.clear(self.table)
        self.owns = False

    def _end_queue(self) -> None:
        queue, self.queue = self.queue, None
        self._shapes = Shapes([])
        if queue:
            queue.close()


def _queued(shape: Shape) -> nft.Rule:
    return nft.Rule(a=shape["a"], b=shape.get("b"), both=shape.get("both", True), do="queue")


def serve(session: Session) -> None:
    """Handle requests as they arrive, and packets when they are due, until the input ends."""
    unread = b""
    while True:
        queue = session.queue
        sources: list[Any] = [0, queue] if queue else [0]
        ready, _, _ = select.select(sources, [], [], queue.wait() if queue else None)
        if queue:
            if queue in ready:
                queue.receive()
            queue.release()
        if 0 in ready:
            found = os.read(0, 1 << 16)
            if not (unread + found):
                return
            *lines, unread = (unread + (found or b"\n")).split(b"\n")
            for line in lines:
                print(json.dumps(session.answer(line.decode(errors="replace"))), flush=True)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the harness, which still has to heal
    session = Session(sys.argv[1] if len(sys.argv) > 1 else nft.TABLE)
    try:
        serve(session)
    finally:
        session.close()


if __name__ == "__main__":
    main()
