"""Sentences are compared with tests/messages.txt, and nothing in that file is left over or added unseen."""

from __future__ import annotations

import pytest

from tests import messages

TEST = "unit/test_x.py::test_it"
PLACE = "tests/unit/test_x.py"


class Inner:
    """A session of pytest over one test file and one file of messages."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.folder = pytester
        (pytester.path / "tests" / "unit").mkdir(parents=True)
        self.file = pytester.path / messages.FILE

    def __call__(self, *lines: str, known: dict[str, list[str]] | None = None, args: str = PLACE) -> pytest.RunResult:
        body = "\n".join(f"    {line}" for line in lines)
        test = f"def test_it(says, tmp_path):\n{body}\ndef test_other(): pass\n"
        (self.folder.path / PLACE).write_text(f"import pytest\n{test}")
        if known is not None:
            self.file.write_text(messages.write(known))
        return self.folder.runpytest_inprocess("-p", "tests.messages", "-p", "no:cacheprovider", *args.split())


@pytest.fixture
def inner(pytester: pytest.Pytester) -> Inner:
    return Inner(pytester)


def test_the_file_says_what_was_written() -> None:
    """Several messages of a test, lines, blank lines, and lines that look like the file's own."""
    entries = {
        "unit/test_a.py::test_one[a # b]": ["one", "two\n\n  three\n# four", ""],
        "unit/test_b.py::test_two": ["  - x\n  | y"],
    }
    assert messages.read(messages.write(entries)) == entries


def test_what_varies_and_what_cannot_be_seen_is_spelled_out() -> None:
    """Places and values by their names, the longer first; control characters as escapes; no blanks at a line's end."""
    text = messages.plain(
        "at /t/x/a and /t/b: 8123 \n\x1b[1mred\x07\n", {"/t": "<root>", "/t/x": "<tmp>", "8123": "<port>"}
    )
    assert text == "at <tmp>/a and <root>/b: <port>\n\\x1b[1mred\\x07"


def test_a_message_as_in_the_file_passes(inner: Inner) -> None:
    """Also with a temporary path, a value that varies, and an error's words."""
    lines = (
        "says(f'{tmp_path}/x is not on port 81', port=81)",
        "with says.raises(KeyError) as e:\n        {}['a']",
        "assert e.value.args == ('a',)",
    )
    assert inner(*lines, known={TEST: ["<tmp>/x is not on port <port>", "'a'"]}).ret == 0


@pytest.mark.parametrize(
    ("lines", "known"),
    {
        "other words": (["says('red')"], ["green"]),
        "no entry": (["says('red')"], None),
        "one more than the file": (["says('red')", "says('blue')"], ["red"]),
        "one less than the file": (["says('red')"], ["red", "blue"]),
        "nothing": (["pass"], None),
        "an error with other words": (["with says.raises(KeyError):\n        {}['a']"], ["'b'"]),
        "no error": (["with says.raises(KeyError):\n        pass"], ["'b'"]),
    }.values(),
)
def test_a_message_that_is_not_in_the_file_fails(inner: Inner, lines: list[str], known: list[str] | None) -> None:
    """And writes nothing."""
    done = inner(*lines, known={TEST: known} if known else {})
    done.assert_outcomes(failed=1, passed=1)
    assert messages.read(inner.file.read_text()) == ({TEST: known} if known else {})


def test_the_failure_shows_the_difference_and_the_command(inner: Inner) -> None:
    """Old line, new line, and how to accept it."""
    done = inner("says('a red light')", known={TEST: ["a green light"]})
    said = [line.removeprefix("E").strip() for line in done.stdout.lines]
    assert said.index("- a green light") < said.index("+ a red light") < said.index(messages.UPDATE)


@pytest.mark.parametrize("test", [f"{TEST}[gone]", "unit/test_x.py::test_gone", "unit/test_gone.py::test_it"])
def test_an_entry_without_a_test_ends_the_session(inner: Inner, test: str) -> None:
    """A case, a test or a file that is gone; named before anything runs."""
    done = inner("says('red')", known={TEST: ["red"], test: ["red"]})
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert test in done.stderr.lines and messages.UPDATE in done.stderr.lines


@pytest.mark.parametrize("args", [f"{PLACE}::test_it", f"{PLACE} -k test_it"])
def test_a_session_with_some_tests_of_a_file_says_nothing_of_the_others(inner: Inner, args: str) -> None:
    """Their entries are neither left over nor lost by an update."""
    others = {"unit/test_x.py::test_other": ["blue"]}
    known = {TEST: ["red"], **others}
    assert inner("says('red')", known=known, args=args).ret == 0
    assert inner("says('pink')", known=known, args=f"{args} --update-messages").ret == 0
    assert messages.read(inner.file.read_text()) == {TEST: ["pink"], **others}


def test_an_update_writes_what_was_said_and_drops_what_is_left_over(inner: Inner) -> None:
    """But keeps what a failed test had."""
    gone = {"unit/test_x.py::test_gone": ["x"], "unit/test_gone.py::test_it": ["y"]}
    inner("says('pink')", "assert False", known={TEST: ["red"], **gone}, args=f"{PLACE} --update-messages")
    assert messages.read(inner.file.read_text()) == {TEST: ["red"]}
    inner("says('pink')", args=f"{PLACE} --update-messages")
    assert messages.read(inner.file.read_text()) == {TEST: ["pink"]}
