"""What the product says, word for word: tests assert fields and codes, and tests/messages.txt has the sentences.

A test takes `says` and gives it each message: `says(finding.summary)`, or `with says.raises(BadExperiment) as e: …`.
A message that differs from the file, or that the file does not have, fails its test. An entry that its test does not
say any more fails the test; an entry without a test ends the session. `pytest --update-messages` writes what was said.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Generator, Mapping
from types import TracebackType
from typing import Any, Generic, TypeVar

import pytest

Raised = TypeVar("Raised", bound=BaseException)
FILE = "tests/messages.txt"
UPDATE = "to accept what is said now: pytest --update-messages, and read the diff"
HEADER = """\
What the product says, by test. `pytest --update-messages` writes this file; read its diff as you read code.
"""


class Says:
    """The messages of one test, in the order in which it says them."""

    def __init__(self, test: str, known: list[str], places: dict[str, str], updating: bool = False) -> None:
        self.test, self.known, self.places, self.updating = test, known, places, updating
        self.said: list[str] = []

    def __call__(self, message: object, **varies: object) -> None:
        """Compares the next message; each keyword's value differs from run to run, and stands as <keyword>."""
        __tracebackhide__ = True
        self.said.append(text := plain(str(message), {str(v): f"<{name}>" for name, v in varies.items()} | self.places))
        n = len(self.said)
        if self.updating:
            return
        if n > len(self.known):
            pytest.fail(f"{FILE} has no message {n} of {self.test}:\n{text}\n{UPDATE}")
        if text != (known := self.known[n - 1]):
            lines = difflib.ndiff(known.splitlines(), text.splitlines())
            pytest.fail(f"message {n} of {self.test} is not as in {FILE}:\n" + "\n".join(lines) + f"\n{UPDATE}")

    def raises(self, kind: type[Raised], **varies: object) -> Raising[Raised]:
        """As pytest.raises; the error's words are the next message."""
        return Raising(self, kind, varies)

    def ended(self) -> None:
        __tracebackhide__ = True
        if not self.said:
            pytest.fail(f"{self.test} takes `says` and says nothing")
        if not self.updating and len(self.said) < len(self.known):
            rest = "\n".join(self.known[len(self.said) :])
            pytest.fail(f"{FILE} has more than {self.test} says:\n{rest}\n{UPDATE}")


class Raising(Generic[Raised]):
    """No generator, so that a failure shows the test's line and none of contextlib's."""

    def __init__(self, says: Says, kind: type[Raised], varies: Mapping[str, object]) -> None:
        self._says, self._varies, self._expected = says, varies, pytest.raises(kind)

    def __enter__(self) -> pytest.ExceptionInfo[Raised]:
        self._info = self._expected.__enter__()
        return self._info

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        __tracebackhide__ = True
        if met := self._expected.__exit__(kind, error, traceback):
            self._says(self._info.value, **self._varies)
        return met


def plain(text: str, places: Mapping[str, str]) -> str:
    """Without what varies, without blanks at the ends of lines, and with control characters spelled out."""
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    spelled = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return "\n".join(line.rstrip() for line in spelled.split("\n")).rstrip()


def read(text: str) -> dict[str, list[str]]:
    """The messages by test, `unit/test_x.py::test_y[case]`."""
    found: dict[str, list[str]] = {}
    file = test = ""
    for line in text.splitlines()[len(HEADER.splitlines()) :]:
        if line.startswith("# "):
            file = line[2:]
        elif line.startswith("  -"):
            found[test].append(line[4:])
        elif line.startswith("  |"):
            found[test][-1] += "\n" + line[4:]
        elif line:
            found[test := f"{file}::{line}"] = []
    return found


def write(entries: Mapping[str, list[str]]) -> str:
    files: dict[str, list[str]] = defaultdict(list)
    for test, messages in sorted(entries.items()):
        file, _, name = test.partition("::")
        texts = ("  - " + "\n  | ".join(message.split("\n")) for message in messages)
        files[file] += [name, *("\n".join(line.rstrip() for line in text.split("\n")) for text in texts)]
    return HEADER + "".join(f"\n# {file}\n" + "\n".join(lines) + "\n" for file, lines in files.items())


def lines(text: str, words: str) -> str:
    """The lines of a longer text that have these words."""
    found = [line.strip() for line in text.splitlines() if words in line]
    assert found, f"no line with {words!r} in:\n{text}"
    return "\n".join(found)


class Messages:
    """The file, and what this session says."""

    def __init__(self, config: pytest.Config) -> None:
        self.path = config.rootpath / FILE
        self.updating: bool = config.getoption("update_messages")
        self.known = read(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        self.said: dict[str, list[str]] = {}
        self.stale: list[str] = []
        self.partly = {file_of(key(arg)) for arg in config.args if "::" in arg}  # files of which not every test runs

    def collected(self, items: list[pytest.Item], some: bool) -> None:
        """Finds the entries of files and tests that are gone; with `some` the items are not all that a file has."""
        asking = {key(item.nodeid) for item in items if "says" in getattr(item, "fixturenames", ())}
        whole = set() if some else {file_of(key(item.nodeid)) for item in items}
        for test in self.known:
            gone = not (self.path.parent / file_of(test)).exists()
            if gone or (test not in asking and file_of(test) in whole - self.partly):
                self.stale.append(test)

    def save(self) -> None:
        kept = {test: messages for test, messages in self.known.items() if test not in self.stale}
        self.path.write_text(write(kept | self.said), encoding="utf-8")


def key(nodeid: str) -> str:
    """A test's name in the file: from the folder `tests` on."""
    file, found, name = nodeid.partition("::")
    return file.rpartition("tests/")[2] + found + name


def file_of(test: str) -> str:
    return test.partition("::")[0]


KEPT = pytest.StashKey[Messages]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-messages", action="store_true", help=f"write what tests say to {FILE}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[KEPT] = Messages(config)


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[KEPT].partly.add(file_of(key(item.nodeid)))


def pytest_collection_finish(session: pytest.Session) -> None:
    messages = session.config.stash[KEPT]
    messages.collected(session.items, some=session.config.getoption("lf", False))
    if messages.stale and not messages.updating:
        raise pytest.UsageError("\n".join([f"{FILE} has messages of tests that say none:", *messages.stale, UPDATE]))


@pytest.fixture
def says(request: pytest.FixtureRequest) -> Says:
    """Compares messages with those in tests/messages.txt."""
    messages, test = request.config.stash[KEPT], key(request.node.nodeid)
    places = {str(request.config.rootpath): "<root>"}
    if "tmp_path" in request.fixturenames:
        places[str(request.getfixturevalue("tmp_path"))] = "<tmp>"
    return Says(test, messages.known.get(test, []), places, messages.updating)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    result = yield
    if isinstance(says := pyfuncitem.funcargs.get("says"), Says):
        says.ended()
        pyfuncitem.config.stash[KEPT].said[says.test] = says.said
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (messages := session.config.stash[KEPT]).updating:
        messages.save()
