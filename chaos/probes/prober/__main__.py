"""The prober's process: asks the questions of users from their place, until SIGTERM. `python -m chaos.probes.prober`.

It imports nothing but the standard library, msgspec and the harness, because it runs in the load's image.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

import msgspec

from chaos import registry
from chaos.probes.prober.client import Plain
from chaos.probes.prober.contract import ASKED, HEARD, Heard, asked
from chaos.probes.prober.pace import Pace


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chaos.probes.prober", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder with what is asked, and for what is heard")
    asyncio.run(probe(parser.parse_args().run))


async def probe(run: Path) -> None:
    """Ask what `run`/prober.json says, and write each answer to `run`/prober.jsonl as it arrives."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    specs = asked((run / ASKED).read_bytes())
    with (run / HEARD).open("ab", buffering=0) as out:

        def hear(found: Heard) -> None:
            line = msgspec.json.encode(found) + b"\n"
            if out.write(line) != len(line):
                raise OSError(f"{run}: no space is left")

        client = Plain()
        async with asyncio.TaskGroup() as every:
            for spec in specs:
                question = registry.build(registry.load("chaos.probes.questions", spec.kind), spec.params)
                every.create_task(Pace(spec, question, client, hear).run(over))


if __name__ == "__main__":
    os.umask(0o077)
    main()
    os._exit(0)  # without waiting for look-ups that hang; everything that was heard is written
