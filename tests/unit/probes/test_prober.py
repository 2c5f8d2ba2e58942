"""The prober from the harness's side, with a program that is played by the test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from chaos.errors import ChaosError
from chaos.experiment.plan import ProbeSpec
from chaos.probes.prober.contract import ASKED, HEARD, Heard, asked
from chaos.probes.prober.hosted import Prober
from chaos.protocols.capabilities import Hosted, Hosting
from tests.messages import Says
from tests.virtual import virtually

FRONT = ProbeSpec("tcp", "front", 0.5, {"connect": "a:1"}, 1.0)


class Program(Hosted, Hosting):
    """Writes `lines`, one each half second, and ends with `code` after the last; without a code it goes on."""

    def __init__(self, folder: Path, lines: Sequence[Heard] = (), code: int | None = None, ready: bool = True) -> None:
        self._folder, self._lines, self._end, self._ready = folder, lines, code, ready
        self._ended = asyncio.Event()
        self.stopped: list[float] = []

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        assert list(command) == ["python3", "-m", "chaos.probes.prober", "--run", str(run_dir)]
        self.asked = asked((run_dir / ASKED).read_bytes())
        self.mode = (run_dir / ASKED).stat().st_mode & 0o777
        self._task = asyncio.create_task(self._play())
        return self

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        raise NotImplementedError

    async def _play(self) -> None:
        if self._ready:
            (self._folder / HEARD).touch()
        for one in self._lines:
            await asyncio.sleep(0.5)
            text = msgspec.json.encode(one) + b"\n"
            for part in (text[:10], text[10:]):  # a torn line is read when it is whole
                with (self._folder / HEARD).open("ab") as out:
                    out.write(part)
                await asyncio.sleep(0.15)
        if self._end is not None:
            self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        return 0 if self._end is None else self._end

    async def stop(self, grace: float = 5.0) -> None:
        self.stopped.append(grace)
        self._ended.set()


GOOD = [Heard("front", float(t), 2.0, True) for t in range(3)]


async def listened(prober: Prober, seconds: float) -> list[Heard]:
    found: list[Heard] = []
    await prober.start()
    listening = asyncio.create_task(prober.listen(found.append))
    await asyncio.sleep(seconds)
    await prober.drain()
    await listening
    return found


def test_answers_are_heard_whole_and_in_order(tmp_path: Path) -> None:
    """The program is told what to ask in a file that only we can read; drain gives it its time-out to end."""

    async def main() -> None:
        program = Program(tmp_path, GOOD)
        prober = Prober(program, [FRONT], tmp_path)
        assert await listened(prober, 5) == GOOD
        assert (program.asked, program.mode, program.stopped) == ([FRONT], 0o600, [4.0])
        await prober.stop()
        await prober.stop()
        assert os.listdir(tmp_path) == []

    virtually(main())


def test_a_program_that_ends_by_itself_is_found_out(tmp_path: Path) -> None:
    """Each of its probes says that it could not be asked, with the exit code."""

    async def main() -> None:
        found = await listened(Prober(Program(tmp_path, GOOD[:1], code=137), [FRONT], tmp_path), 20)
        assert found[0] == GOOD[0] and len(found) == 2
        assert found[1].ok is None and "exit code 137" in found[1].why

    virtually(main())


@pytest.mark.parametrize("code", [1, None])
def test_a_program_that_does_not_start_is_an_error(tmp_path: Path, code: int | None, says: Says) -> None:
    """At once if it ended, after a while if it is never ready."""

    async def main() -> None:
        with says.raises(ChaosError):
            await Prober(Program(tmp_path, code=code, ready=False), [FRONT], tmp_path).start()

    virtually(main())
