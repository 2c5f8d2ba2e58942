"""A node's environment is carried past programs of ours that still have privileges, and told apart from theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.targets.process.container_env import Program
from chaos.targets.process.isolation import CARRIED, carried, is_ours_yet


def test_no_program_with_privileges_gets_a_nodes_environment() -> None:
    """Neither where it finds programs, nor what is loaded into them; what no shell can set is set by env(1)."""
    own = {"PATH": "/evil", "LD_PRELOAD": "/evil.so", "A": "it's $HOME `id`", "odd.name": "x", "UID": "7", "IFS": ":"}
    words, env = carried(Program(("serve", "--now"), own), "/usr/bin")
    assert set(env) == {"PATH", CARRIED} and env["PATH"] == "/usr/bin"
    assert words == ("env", "odd.name=x", "UID=7", "IFS=:", "serve", "--now")
    assert env[CARRIED].startswith("export PATH=/evil LD_PRELOAD=/evil.so A=")
    assert "$HOME" in env[CARRIED] and "'" in env[CARRIED], "quoted, not carried out"


@pytest.mark.parametrize("pid", [pytest.param(os.getpid(), id="this one"), 2**22 + 1])
def test_a_process_without_it_is_the_nodes_own(pid: int) -> None:
    """And one that is gone is nobody's."""
    assert Path("/proc").exists() and not is_ours_yet(pid)
