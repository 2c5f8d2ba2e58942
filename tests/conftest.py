"""Which tests this machine can run, and a word at the end about those it cannot."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections import defaultdict

import pytest

LEFT_OUT: dict[str, list[str]] = defaultdict(list)


@functools.cache
def no_engine() -> str | None:
    """Why the tests marked `engine` cannot run here; None if they can."""
    if not any(_works(*command) for command in (("docker", "compose", "version"), ("docker-compose", "version"))):
        return "no compose command here: install docker-compose, or the compose plugin of docker"
    return None if _works("docker", "info") else "no Docker engine answers: start it, or install docker"


@functools.cache
def no_box() -> str | None:
    """Why the tests marked `box` cannot run here; None if they can."""
    from chaos.targets import box

    return box.available()


def _works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


REASONS = {"engine": no_engine, "box": no_box}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first; tests that need more than this machine has are skipped with the reason."""
    order = ("tidy", "unit", "golden", "contract", "e2e")
    items.sort(key=lambda item: order.index(item.path.relative_to(item.config.rootpath / "tests").parts[0]))
    for item in items:
        for mark, reason in REASONS.items():
            if item.get_closest_marker(mark) and (why := reason()):
                item.add_marker(pytest.mark.skip(reason=why))
                LEFT_OUT[why].append(item.nodeid)
                break


@pytest.fixture(scope="session")
def images(pytestconfig: pytest.Config) -> None:
    """Images of today's sources; what has not changed is cached."""
    subprocess.run([sys.executable, "-m", "chaos.targets.images"], cwd=pytestconfig.rootpath, check=True)


@pytest.fixture(autouse=True)
def _images_where_they_matter(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("engine"):
        request.getfixturevalue("images")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for why, tests in LEFT_OUT.items():
        terminalreporter.section(f"left out here: {len(tests)} tests")
        terminalreporter.write_line(why)
        for test in tests:
            terminalreporter.write_line(f"  {test}")
