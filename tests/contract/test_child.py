"""A run that is a process of its own and is interrupted."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from chaos.run.child import Player, interrupting


def test_an_interrupted_arm_heals_before_the_sweep_ends(tmp_path: Path) -> None:
    """The signal becomes an interrupt of the run that goes on, and its own exit code is waited for."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal, sys\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(130))\n"
        "os.kill(os.getppid(), signal.SIGTERM)\nsignal.pause()\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    assert threading.current_thread() is threading.main_thread()
    player = Player(tmp_path, program=(sys.executable, str(program)))
    with interrupting(player.end) as seen:
        assert player.play([], tmp_path / "run").code == 130
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before
