"""`make test`: every test that this machine can run. Ends with the first exit code that is not 0.

Contracts of the Docker engine spend most of their time waiting for it, so they run beside the other tests; their output
follows when both have ended. What measures comes last, one at a time: contracts with the marker `alone`, whole runs.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTEST = (sys.executable, "-m", "pytest")
CONTRACTS = ("tests", "--ignore=tests/e2e", "-m")
SLOW = "--durations=20"
BESIDE = {"the contracts of the Docker engine": (*CONTRACTS, "engine and not alone", SLOW)}
LAST = (("tests/contract", "-m", "alone", SLOW), ("tests/e2e", SLOW))


def main() -> int:
    interrupted: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: interrupted.append(130))  # it reaches the tests too: they end, and we wait
    codes: list[int] = []
    with contextlib.ExitStack() as left:
        logs = {what: left.enter_context(tempfile.TemporaryFile()) for what in BESIDE}
        beside = {
            what: subprocess.Popen([*PYTEST, *words], cwd=ROOT, stdout=logs[what], stderr=logs[what])
            for what, words in BESIDE.items()
        }
        codes.append(subprocess.Popen([*PYTEST, *CONTRACTS, "not engine and not alone"], cwd=ROOT).wait())
        for what, process in beside.items():
            print(f"waiting for {what}", flush=True)
            codes.append(process.wait())
            logs[what].seek(0)
            sys.stdout.buffer.write(logs[what].read())
            sys.stdout.flush()
    for words in LAST:
        if not interrupted:
            codes.append(subprocess.Popen([*PYTEST, *words], cwd=ROOT).wait())
    return next((code for code in (*interrupted, *codes) if code), 0)


if __name__ == "__main__":
    sys.exit(main())
