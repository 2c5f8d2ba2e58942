"""`make test`: every test that this machine can run. Ends with the first exit code that is not 0.

Contracts of the Docker engine spend most of their time waiting for it, so they run beside the other tests; their output
follows when both have ended. Whole runs come last, one at a time: they measure, and share the port of the metrics.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTEST = (sys.executable, "-m", "pytest")
PARTS = ("tests", "--ignore=tests/e2e", "-m")


def main() -> int:
    interrupted: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: interrupted.append(130))  # it reaches the tests too: they end, and we wait
    with tempfile.TemporaryFile() as said:
        engine = subprocess.Popen([*PYTEST, *PARTS, "engine"], cwd=ROOT, stdout=said, stderr=said)
        others = subprocess.Popen([*PYTEST, *PARTS, "not engine"], cwd=ROOT).wait()
        print("waiting for the contracts of the Docker engine", flush=True)
        contracts = engine.wait()
        said.seek(0)
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    runs = 0 if interrupted else subprocess.Popen([*PYTEST, "tests/e2e", "--durations=60"], cwd=ROOT).wait()
    return next((code for code in (*interrupted, others, contracts, runs) if code), 0)


if __name__ == "__main__":
    sys.exit(main())
