"""Asks one question again and again. A slow answer does not delay the next question."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

from chaos.errors import ChaosError
from chaos.experiment.plan import ProbeSpec
from chaos.probes.prober.contract import Heard
from chaos.protocols.questions import Question

Hear = Callable[[Heard], None]


class Pace:
    """Asks `question` of `on` every `spec.every` seconds, and gives up after `spec.within`."""

    def __init__(self, spec: ProbeSpec, question: Question[Any], on: object, hear: Hear) -> None:
        assert spec.within is not None, "it has a tolerance"
        self._name, self._every, self._within = spec.name, spec.every, spec.within
        self._question, self._on, self._hear = question, on, hear

    async def run(self, over: asyncio.Event) -> None:
        """Ask until `over`; returns when the last question is answered. Times that were missed are left out."""
        now = asyncio.get_running_loop().time
        due = now()
        async with asyncio.TaskGroup() as open_:
            while not over.is_set():
                open_.create_task(self._once())
                due += self._every * max(1, math.ceil((now() - due) / self._every))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await over.wait()

    async def _once(self) -> None:
        now = asyncio.get_running_loop().time
        t = now()
        try:
            async with asyncio.timeout(self._within):
                answer = await self._question.ask(self._on, self._within)
        except TimeoutError:
            ok = False if self._question.slow_is_bad else None
            return self._say(t, ok, f"no answer within {self._within:g} s")
        except (ChaosError, OSError) as e:
            return self._say(t, None, str(e) or type(e).__name__)
        self._hear(Heard(self._name, t, _ms(now() - t), answer.ok, answer.figures, answer.why))

    def _say(self, t: float, ok: bool | None, why: str) -> None:
        self._hear(Heard(self._name, t, _ms(asyncio.get_running_loop().time() - t), ok, why=why))


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
