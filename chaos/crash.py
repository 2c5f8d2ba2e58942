"""Unexpected errors: one line and exit code 2, with the traceback in a file, so that no bug looks like a FAIL."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos.errors import ChaosError, Crash

KEPT = 20  # tracebacks in the state folder
_OURS = os.path.dirname(os.path.abspath(__file__))


def state() -> Path:
    """$XDG_STATE_HOME/chaos. A relative path is ignored, as the XDG Base Directory specification says."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path(os.path.expanduser("~/.local/state"))
    return base / "chaos" if base.is_absolute() else Path("/nonexistent/chaos")  # a user without a home folder


@contextmanager
def caught(run: Path | None = None, but: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Turn an unexpected exception from the block into a Crash.

    Its traceback is saved in the run's folder, or below `state()`. `but`: exceptions of libraries that may pass.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, (ChaosError, KeyboardInterrupt, SystemExit, GeneratorExit, *but)):
            raise
        raise Crash(f"{_words(error)}; {_kept(error, run)}") from error


def ended(error: ChaosError) -> int:
    """Print the error in one line on standard error; returns its exit code."""
    complain(f"chaos: {error}")
    return error.exit_code


def complain(text: str) -> None:
    """Print to standard error; a closed standard error is ignored."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    said = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}{': ' * bool(said)}{said:.300}{_place(error)}"


def _place(error: BaseException) -> str:
    """The innermost position in the harness's own code."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(_OURS):
            place = f" (chaos/{os.path.relpath(file, _OURS)}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place


def _kept(error: BaseException, run: Path | None) -> str:
    import traceback

    text = "".join(traceback.format_exception(error))
    why = ""
    for folder in ([run] if run else []) + [state() / "tracebacks"]:
        try:
            return f"the traceback is in {_written(folder, text)}"
        except (OSError, ValueError) as e:
            why = f"{folder}: {getattr(e, 'strerror', None) or e}"
    return f"its traceback could not be kept ({why})"


def _written(folder: Path, text: str) -> Path:
    from datetime import UTC, datetime

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"traceback-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{os.getpid()}.txt"
    with file.open("a", encoding="utf-8", errors="backslashreplace") as out:
        out.write(text)
    for old in sorted(folder.glob("traceback-*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return file
