"""Which tests this machine can run, and a word at the end about those it cannot."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says something of the machine, which may be busy, and nothing of the property.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")

pytest_plugins = ("tests.messages", "pytester")

ROOT = Path(__file__).parents[1]
BUILD_LOG = tempfile.TemporaryFile()  # noqa: SIM115 (it lasts until pytest ends)

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
    from chaos.targets.box import box

    return box.available()


@functools.cache
def no_browser() -> str | None:
    """Why the tests marked `browser` cannot run here; None if they can."""
    from tests.browser import program

    return None if program() else "no Chromium on PATH: install chromium, then the report is tried in it"


def _works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


REASONS = {"engine": no_engine, "box": no_box, "browser": no_browser}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, and those that wait for images after those that do not; tests that need more than this
    machine has are skipped with the reason."""
    order = ("tidy", "unit", "golden", "fuzz", "contract", "e2e")
    folders = [ROOT / "tests" / name for name in order]

    def turn(item: pytest.Item) -> tuple[int, bool]:
        place = next((n for n, f in enumerate(folders) if f in item.path.parents), len(folders))
        return place, "e2e" not in item.path.parts and item.get_closest_marker("engine") is not None

    items.sort(key=turn)
    for item in items:
        for mark, reason in REASONS.items():
            if item.get_closest_marker(mark) and (why := reason()):
                item.add_marker(pytest.mark.skip(reason=why))
                LEFT_OUT[why].append(item.nodeid)
                break


@functools.cache
def building() -> subprocess.Popen[bytes]:
    """Images of today's sources; what has not changed is cached."""
    command = [sys.executable, "-m", "chaos.targets.docker.images"]
    return subprocess.Popen(command, cwd=ROOT, stdout=BUILD_LOG, stderr=subprocess.STDOUT)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Building takes minutes on a fresh machine: it begins beside the quick tests."""
    wanted = any(i.get_closest_marker("engine") and not i.get_closest_marker("skip") for i in session.items)
    if wanted and not session.config.option.collectonly:
        building()


def pytest_unconfigure() -> None:
    """Not left behind by a session that ended before it needed them."""
    if building.cache_info().currsize and building().poll() is None:
        building().terminate()
        building().wait()
    BUILD_LOG.close()


@pytest.fixture(scope="session", autouse=True)
def _nobody_is_left() -> Iterator[None]:
    """Processes of a test that outlive all tests: an error of the last one. What is left in a box ends with it."""
    from chaos.targets.box import box
    from tests.e2e.stage import processes_of

    if box.inside():
        yield
        return
    os.environ["CHAOS_TESTS"] = mark = f"{os.getpid()}-{time.monotonic_ns()}"
    yield
    end = time.monotonic() + 20
    while (left := processes_of(f"CHAOS_TESTS={mark}")) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []


@pytest.fixture(scope="session")
def images() -> None:
    """Waits for them."""
    if building().wait():
        BUILD_LOG.seek(0)
        pytest.fail(f"the images could not be built:\n{BUILD_LOG.read().decode()}", pytrace=False)


@pytest.fixture(autouse=True)
def _images_where_they_matter(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("engine"):
        request.getfixturevalue("images")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Those that found out only when they ran."""
    if report.skipped and isinstance(report.longrepr, tuple):
        why = report.longrepr[2].removeprefix("Skipped: ")
        if report.nodeid not in LEFT_OUT[why]:
            LEFT_OUT[why].append(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for why, tests in LEFT_OUT.items():
        terminalreporter.section(f"left out here: {len(tests)} tests")
        terminalreporter.write_line(why)
        for test in tests:
            terminalreporter.write_line(f"  {test}")
