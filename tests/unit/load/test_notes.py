"""What a load noticed about itself: written in two lines, read as one note."""

from __future__ import annotations

from pathlib import Path

from chaos.load import notes
from chaos.load.notes import BLOCKED, DIED, Notebook
from chaos.model import Note


def test_the_end_of_a_stall_completes_its_note(tmp_path: Path) -> None:
    """A native thread saw the line of code, and the loop itself knows how long it was, once it runs again."""
    book = Notebook(tmp_path / "load.jsonl", 100.0)
    book.write(DIED, 103.0, what="A: ValueError: no")
    book.write(BLOCKED, 101.0, where=["driver.py:7 wait"])
    book.write(BLOCKED, 101.0, 2.5)
    book.write(BLOCKED, 105.0, where=["driver.py:7 wait"])
    assert notes.read(tmp_path / "load.jsonl") == [
        Note(1.0, BLOCKED, 2.5, where=("driver.py:7 wait",)),
        Note(3.0, DIED, what="A: ValueError: no"),
        Note(5.0, BLOCKED, where=("driver.py:7 wait",)),
    ]


def test_a_torn_line_and_no_file_are_no_notes(tmp_path: Path) -> None:
    """A killed process leaves both."""
    path = tmp_path / "load.jsonl"
    assert notes.read(path) == ()
    path.write_bytes(b'{"t":1.0,"kind":"died"}\n{"t":2.0,"ki\n{"t":3.0,"kind":"died"}')
    assert [note.t for note in notes.read(path)] == [1.0]
