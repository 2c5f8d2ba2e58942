"""What a person sees while a run goes on: phase, time left, live success rate, active faults."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chaos.model import Event
from chaos.plan import Plan
from chaos.units import in_words

Success = Callable[[], Mapping[str, tuple[int, int]]]
NOTED = ("phase", "fault.active", "fault.heal", "fault.error", "operator.done", "run.error", "probe.error")


class Progress:
    """A live line on a terminal; one line an event where stderr is not one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._success: Success = dict
        self._phase, self._note = "plan", ""
        self._zero: float | None = None
        self._began = time.monotonic()
        self._broken: dict[str, set[str]] = {}
        self._live: Any = None

    @contextmanager
    def watching(self, success: Success) -> Iterator[None]:
        """Show it while the block lasts; `success` says by journey (ok, all) of late."""
        self._success = success
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(get_renderable=self._line, console=Console(stderr=True), transient=True)
            with self._live:
                yield
        else:
            yield

    def note(self, text: str) -> None:
        """What the target is busy with: an image that is built, nodes that are not healthy yet."""
        self._note = text
        if self._live is None:
            self._say(text)

    def tell(self, event: Event) -> None:
        if event.kind == "phase":
            self._phase, self._note = event.subject, ""
            if event.subject == "timeline":
                self._zero = time.monotonic() - event.t
        elif event.kind == "fault.active":
            self._broken[event.subject] = set(event.data["nodes"])
        elif event.kind == "fault.heal":
            self._broken.get(event.subject, set()).difference_update(event.data["nodes"])
        if event.kind in NOTED and not (event.kind == "fault.heal" and not event.data["nodes"]):
            self._say(self._words(event))

    def _say(self, text: str) -> None:
        stamp = f"[{self._clock():>8}] {text}"
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(stamp, style="dim"))
        else:
            print(stamp, file=sys.stderr, flush=True)

    def _words(self, event: Event) -> str:
        nodes = ", ".join(event.data.get("nodes", ()))
        return {
            "phase": f"phase {event.subject}",
            "fault.active": f"{event.subject}: {event.data.get('fault')} bites {nodes}",
            "fault.heal": f"{event.subject}: healed on {nodes}",
            "operator.done": f"{event.subject}: done on {', '.join(event.data.get('codes', ()))}",
        }.get(event.kind, f"{event.subject}: {event.data.get('error')}")

    def _clock(self) -> str:
        now = time.monotonic()
        return f"{now - self._began:.1f} s" if self._zero is None else f"t{now - self._zero:+.1f} s"

    def _left(self) -> str:
        if self._zero is None:
            return ""
        end = self._plan.length + (self._plan.recover if self._phase == "recover" else 0)
        left = self._zero + end - time.monotonic()
        return f"{in_words(left)} left" if left > 0 and self._phase in {"timeline", "recover"} else ""

    def _line(self) -> Any:
        from rich.text import Text

        seen = self._success() if self._phase in {"steady", "timeline", "recover"} else {}
        ok, n = sum(a for a, _ in seen.values()), sum(b for _, b in seen.values())
        worst = sorted((a / b, name) for name, (a, b) in seen.items() if b and a < 0.99 * b)
        line = Text.assemble((f"{self._phase:<9}", "bold cyan"), f" {self._clock():>10}  ", (self._left(), "dim"))
        if n:
            line.append(f"  {ok / n:6.1%} ok", "green" if ok >= 0.99 * n else "red")
        if worst:
            line.append("  " + " ".join(f"{name} {rate:.0%}" for rate, name in worst[:6]), "red")
        broken = sum(map(len, self._broken.values()))
        if broken:
            steps = ", ".join(step for step, nodes in self._broken.items() if nodes)
            line.append(f"  {broken} nodes under {steps}", "yellow")
        if self._note:
            line.append(f"  {self._note}", "dim")
        return line
