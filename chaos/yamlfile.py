"""Reads YAML: every file is UTF-8 and one document, and values have unsurprising types.

Types follow the core schema of YAML 1.2, as in Compose, with two exceptions in favour of text. `no`, `on`, `01`, `1_0`,
`1:30` and `2022-10-15` are text. So is a number that is not finite or does not fit 64 bits (`.nan`, `1e999`). Keys are
always text. Where the source text of a plain number or `true` matters (a label, a selector), the caller says so with
`as_text`, and such a scalar stays as it is written; null stays null.

Refused, with line and column: a duplicate key in a mapping, a key that is not a scalar, tags, a second document, NUL
bytes, and files that would cost too much. Aliases are counted with everything they stand for before they are expanded.
`<<` merges as in YAML 1.1: keys of the mapping itself take precedence, then those of the first merged mapping.
"""

from __future__ import annotations

import codecs
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from chaos.errors import BadExperiment

MAX_BYTES = 4 << 20  # of a file
MAX_SCALAR = 100_000  # characters of one text
MAX_TEXT = 16 << 20  # characters, with all aliases expanded
MAX_NODES = 100_000  # values, once every alias is written out; this project's own stack has 4,000
MAX_DEPTH = 50
SUFFIXES = (".yaml", ".yml")

AsText = Callable[[Sequence[str]], bool]  # the keys that lead to a scalar, the outermost first

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"
_BOMS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
         codecs.BOM_UTF16_BE: "UTF-16"}  # fmt: skip


@dataclass(slots=True, eq=False)
class Node:
    """One value of a file with its line and column (starting at 1). Aliases share one node."""

    line: int
    column: int
    content: str | list[Node] | dict[str, Node]  # mappings have `<<` merged
    plain: bool = False  # an unquoted scalar, whose text determines its type
    nodes: int = 1  # number of values, with aliases expanded
    text: int = 0  # number of characters
    height: int = 1

    @property
    def kind(self) -> str:
        return "text" if isinstance(self.content, str) else "a list" if isinstance(self.content, list) else "a mapping"

    def get(self, key: str) -> Node | None:
        """The value of `key` if this is a mapping that has it."""
        return self.content.get(key) if isinstance(self.content, dict) else None


def read(path: Path, as_text: AsText | None = None) -> Any:
    """The content of the file, None if it is empty. Raises BadExperiment."""
    root = compose(path)
    return None if root is None else _value(root, as_text or (lambda _: False), [])


def mapping(path: Path, as_text: AsText | None = None) -> dict[str, Any]:
    """The content of the file, which has to be a mapping. Raises BadExperiment."""
    found = read(path, as_text)
    if not isinstance(found, dict):
        raise BadExperiment(f"{path}: found {_words(found)}, expected a mapping such as `name: value`")
    return found


def value(text: str, where: str) -> Any:
    """One value from the command line. Raises BadExperiment, naming `where`."""
    _decent(text, where)
    root = _Reader(text, where).document()
    return None if root is None else _value(root, lambda _: False, [])


def compose(path: Path) -> Node | None:
    """The file as nodes that know their lines, None if it is empty. Raises BadExperiment."""
    return _Reader(text(path), str(path)).document()


def text(path: Path) -> str:
    """A file's text, as UTF-8 whatever the locale. Raises BadExperiment. Never blocks on a pipe."""
    raw = _bytes(path)
    for bom, name in _BOMS.items():
        if raw.startswith(bom):
            raise BadExperiment(f"{path}:1:1: found {name}, expected UTF-8; save the file in this encoding")
    try:
        found = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line, column = raw.count(b"\n", 0, e.start) + 1, e.start - raw.rfind(b"\n", 0, e.start)
        wrong = f"found the byte 0x{raw[e.start]:02x}, which is not UTF-8 here"
        raise BadExperiment(f"{path}:{line}:{column}: {wrong}; save the file in this encoding") from None
    _decent(found, str(path))
    return found


def files(folder: Path) -> list[Path]:
    """The YAML files in `folder`, sorted by name, without editors' left-overs (`.#x.yaml`, `._x.yaml`) and folders."""
    try:
        found = [p for p in folder.iterdir() if p.suffix in SUFFIXES and not p.name.startswith(".") and p.is_file()]
    except OSError:
        return []
    return sorted(found)


def names(folder: Path) -> list[str]:
    """The names of the files in `folder`, without their endings."""
    return sorted({p.stem for p in files(folder)})


def find(folder: Path, name: str) -> Path | None:
    """The file called `name`, with either ending. Raises BadExperiment if both exist."""
    if not name or "/" in name or "\0" in name or name.startswith("."):
        return None
    try:
        found = [p for p in (folder / f"{name}{suffix}" for suffix in SUFFIXES) if p.is_file()]
    except OSError:  # the name is too long for a file
        return None
    if len(found) > 1:
        raise BadExperiment(f"{found[0]} and {found[1]}: found two files called {name!r}, expected one; rename one")
    return found[0] if found else None


def _bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadExperiment(f"{path}: found no regular file, expected one to read")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadExperiment(f"{path}: no such file") from None
    except (OSError, ValueError) as e:
        raise BadExperiment(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if len(raw) > MAX_BYTES:
        raise BadExperiment(f"{path}: found more than {MAX_BYTES >> 20} MiB, expected a smaller file")
    return raw


def _decent(text: str, where: str) -> None:
    at = text.find("\0")
    if at >= 0:
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise BadExperiment(f"{where}:{line}:{column}: found a NUL byte, expected text in UTF-8")


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read."""

    node: Node
    anchor: str | None
    items: list[Node] = field(default_factory=list)


class _Reader:
    """Builds nodes from the events of the C parser, without recursion."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._anchors: dict[str, Node | None] = {}  # None: its end has not been read
        self._nodes = self._chars = 0

    def document(self) -> Node | None:
        try:
            return self._document(yaml.parse(self._text, Loader=yaml.CSafeLoader))
        except yaml.MarkedYAMLError as e:
            mark = e.problem_mark or e.context_mark
            at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
            problem = ", ".join(str(p) for p in (e.context, e.problem) if p)
            raise BadExperiment(f"{self._where}{at}: not valid YAML: {problem}") from None
        except (yaml.YAMLError, UnicodeError) as e:
            raise BadExperiment(f"{self._where}: not valid YAML: {' '.join(str(e).split())}") from None

    def _document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        stack: list[_Open] = []
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                self._refuse(event, "found a second document, expected one; remove the `---` and what follows it")
            elif isinstance(event, yaml.NodeEvent):
                made = self._begin(event, stack)
            elif isinstance(event, yaml.CollectionEndEvent):
                made = self._end(stack.pop())
            else:
                continue
            if made is None:
                continue
            if stack:
                stack[-1].items.append(made)
            else:
                root = made
        return root

    def _begin(self, event: Any, stack: list[_Open]) -> Node | None:
        """Handle an event: return a scalar or an alias' node, or open a list or mapping."""
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                self._refuse(event, f"found the alias *{event.anchor}, expected an anchor &{event.anchor} before it")
            made = self._anchors[event.anchor]
            if made is None:
                self._refuse(event, f"found the alias *{event.anchor} inside &{event.anchor}, expected no circle")
            return self._counted(event, made, len(stack))
        if isinstance(event, yaml.ScalarEvent):
            if event.tag not in (None, "!", f"{_TAG}str"):
                self._refuse(event, f"found the tag {event.tag}, expected a plain value")
            if "\0" in event.value:
                self._refuse(event, "found a NUL character, expected text")
            if len(event.value) > MAX_SCALAR:
                self._refuse(event, f"found a text of {len(event.value):,} characters, expected at most {MAX_SCALAR:,}")
            plain = bool(event.implicit[0]) and event.tag is None
            made = Node(mark.line + 1, mark.column + 1, event.value, plain, text=len(event.value))
            if event.anchor:
                self._anchors[event.anchor] = made
            return self._counted(event, made, len(stack))
        is_list = isinstance(event, yaml.SequenceStartEvent)
        if event.tag not in (None, "!", f"{_TAG}{'seq' if is_list else 'map'}"):
            self._refuse(event, f"found the tag {event.tag}, expected a plain {'list' if is_list else 'mapping'}")
        opened = Node(mark.line + 1, mark.column + 1, [] if is_list else {})
        self._counted(event, opened, len(stack))
        if event.anchor:
            self._anchors[event.anchor] = None
        stack.append(_Open(opened, event.anchor))
        return None

    def _end(self, opened: _Open) -> Node:
        node, items = opened.node, opened.items
        node.content = items if isinstance(node.content, list) else self._pairs(items)
        node.nodes += sum(i.nodes for i in items)
        node.text = sum(i.text for i in items)
        node.height += max((i.height for i in items), default=0)
        if opened.anchor:
            self._anchors[opened.anchor] = node
        return node

    def _counted(self, event: Any, node: Node, depth: int) -> Node:
        self._nodes += node.nodes
        self._chars += node.text
        if self._nodes > MAX_NODES or self._chars > MAX_TEXT:
            found = "with its aliases written out, " if isinstance(event, yaml.AliasEvent) else ""
            most = f"{MAX_NODES:,} values and {MAX_TEXT:,} characters"
            self._refuse(event, f"{found}found more than can be read, expected at most {most}")
        if depth + node.height > MAX_DEPTH:
            self._refuse(event, f"found values nested more than {MAX_DEPTH} deep, expected fewer levels")
        return node

    def _pairs(self, items: list[Node]) -> dict[str, Node]:
        own: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: dict[str, Node] = {}
        for key, found in zip(items[::2], items[1::2], strict=True):
            name = key.content
            if not isinstance(name, str):
                self._refuse(key, f"found {key.kind} as a key, expected a name")
            if name in lines:
                first = f"first in line {lines[name]}"
                self._refuse(key, f"found the key {name!r:.80} a second time ({first}), expected it once")
            lines[name] = key.line
            if name == "<<" and key.plain:
                merged = self._merged(found)
            else:
                own[name] = found
        return merged | own

    def _merged(self, found: Node) -> dict[str, Node]:
        sources = found.content if isinstance(found.content, list) else [found]
        merged: dict[str, Node] = {}
        for source in sources:
            if not isinstance(source.content, dict):
                self._refuse(source, f"found {source.kind} under `<<`, expected a mapping or a list of mappings")
            merged = source.content | merged
        return merged

    def _refuse(self, at: Any, words: str) -> NoReturn:
        mark = None if isinstance(at, Node) else at.start_mark
        line, column = (at.line, at.column) if mark is None else (mark.line + 1, mark.column + 1)
        raise BadExperiment(f"{self._where}:{line}:{column}: {words}")


def _value(node: Node, as_text: AsText, path: list[str]) -> Any:
    content = node.content
    if isinstance(content, list):
        return [_value(n, as_text, path) for n in content]
    if isinstance(content, dict):
        return {key: _value(n, as_text, [*path, key]) for key, n in content.items()}
    return _scalar(content, as_text(path)) if node.plain else content


def _scalar(text: str, as_text: bool) -> Any:
    if _NULL.fullmatch(text):
        return None
    if as_text:
        return text
    if m := _BOOL.fullmatch(text):
        return m[1] is not None
    if _INT.fullmatch(text) or _BASED.fullmatch(text):
        whole = int(text, 0) if len(text) <= 24 else 1 << 63
        return whole if -(1 << 63) <= whole < 1 << 63 else text
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _words(found: Any) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"
