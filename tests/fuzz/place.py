"""A small project in a folder of its own, and the command line over it in this process, each call under guard."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gzip
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from tests.fuzz.guard import guarded

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
STAMP = "20260101T000000Z-s7"
LASTING = contextlib.ExitStack()  # what goes on between two inputs and ends with this process, or sooner by its `close`
atexit.register(LASTING.close)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Said(NamedTuple):
    code: int
    text: str  # standard output and error


class Place:
    """`root` is the project, `runs` where its runs are, `state` where the harness keeps its own things."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chaos-fuzz-")).resolve()
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self.root = self._folder / "project"
        self.runs = self.root / "runs"
        self.state = self._folder / "state" / "chaos"
        for name in (
            "docker-compose.yml",
            "experiments/users",
            "experiments/simulations",
            "experiments/suites",
            "seeds",
            "services/staff.yaml",
        ):
            to = self.root / name
            to.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, to)
        for name in ("zone-fire", "zone-fire-2x2", "node-kill"):
            shutil.copy(ROOT / f"experiments/{name}.yaml", self.root / "experiments")
        self.runs.mkdir()
        self.state.mkdir(parents=True)

    def command(self, *argv: str) -> Said:
        """`chaos ARGV...` in the project's folder. Raises AssertionError for whatever is not in the documentation.

        The embedded target may try whether this machine has namespaces.
        """
        from chaos.cli import USAGE, chaos, out
        from chaos.crash import ended
        from chaos.errors import ChaosError, Crash

        with self.inside(), _captured() as said, out.said(), guarded(self.runs, self.state, starts=["unshare"]):
            try:
                code = chaos.main(args=list(argv), prog_name="chaos", standalone_mode=False)
            except click.UsageError as e:
                e.show()
                code = USAGE
            except Crash as e:  # exit 2 with a word for the user, and a bug all the same
                assert e.__cause__ is not None
                raise e.__cause__ from None
            except ChaosError as e:
                code = ended(e)
        text = said()
        assert "Traceback (most recent" not in text, text
        assert not (odd := _CONTROL.search(text)), (
            f"{odd!r} goes to the terminal: {text[max(0, odd.start() - 60) : odd.end() + 20]!r}"
        )
        return Said(code if isinstance(code, int) else 0, text)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        before, state = Path.cwd(), os.environ.get("XDG_STATE_HOME")
        os.chdir(self.root)
        os.environ["XDG_STATE_HOME"] = str(self.state.parent)
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.pop("XDG_STATE_HOME")
            if state is not None:
                os.environ["XDG_STATE_HOME"] = state

    def run(self, golden: str, file: str = "", data: bytes = b"", name: str = STAMP) -> Path:
        """The folder of a recorded run, with one of its files put in or replaced."""
        folder = self.runs / "zone-fire" / name
        if not folder.exists():
            folder.mkdir(parents=True)
        for leftover in folder.iterdir():
            leftover.unlink()
        for known, content in recorded(golden).items():
            (folder / known).write_bytes(content)
        if file:
            (folder / file).write_bytes(data)
        return folder


@functools.cache
def place() -> Place:
    """One for this process."""
    sys.dont_write_bytecode = True
    return Place()


@functools.cache
def recorded(golden: str) -> dict[str, bytes]:
    """The files of a golden run, with some of its operations."""
    folder = GOLDEN / golden
    ops = gzip.decompress((folder / "ops.jsonl.gz").read_bytes()).splitlines(keepends=True)
    files = {name: (folder / name).read_bytes() for name in ("plan.json", "journal.jsonl", "findings.json")}
    return files | {"ops.jsonl": b"".join(ops[:: max(1, len(ops) // 150)])}


@contextlib.contextmanager
def _captured() -> Iterator[Callable[[], str]]:
    """Standard output and error as a pipe has them."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(
        raw, encoding="utf-8", errors="backslashreplace", write_through=True
    )  # as chaos.cli.out does

    def said() -> str:
        out.flush()
        return raw.getvalue().decode()

    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        yield said
