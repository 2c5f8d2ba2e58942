"""Text is read and written as UTF-8 whatever the locale says, and YAML in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = [str(p.relative_to(ROOT)) for folder in ("chaos", "services", "experiments", "examples", "observe")
          for p in sorted((ROOT / folder).rglob("*.py")) if p.stat().st_size]  # fmt: skip
OPENERS = {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile"}


def unnamed(source: str) -> Iterator[int]:
    """Lines of calls that read or write text and do not name its encoding."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not any(k.arg == "encoding" for k in node.keywords) and _textual(node):
            yield node.lineno


def _textual(node: ast.Call) -> bool:
    words = {k.arg: k.value for k in node.keywords}
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    owner = getattr(getattr(node.func, "value", None), "id", "")
    text = words.get("text", words.get("universal_newlines"))
    if isinstance(text, ast.Constant) and text.value is True:
        return True
    if name in {"read_text", "write_text"}:
        return len(node.args) < (1 if name == "read_text" else 2)
    if (owner, name) in {("os", "open"), ("tarfile", "open")}:
        return False
    return name in OPENERS and "b" not in _mode(node, name, words.get("mode"))


def _mode(node: ast.Call, name: str, given: ast.expr | None) -> str:
    """`b` for calls of other `open`s, which take no mode."""
    if name in {"NamedTemporaryFile", "TemporaryFile"}:
        mode, default = given or next(iter(node.args), None), "w+b"
    elif isinstance(node.func, ast.Name) or name == "fdopen":
        mode, default = given or next(iter(node.args[1:2]), None), "r"
    else:  # a path's
        mode, default = given or next(iter(node.args), None), "b"
    return str(mode.value) if isinstance(mode, ast.Constant) else default


def test_the_look_finds_what_it_looks_for() -> None:
    """One call a line; those that name no encoding."""
    lines = [
        "open(p)", "open(p, 'rb')", "open(p, 'w')", "p.read_text()", "p.read_text('utf-8')", "p.write_text(t)",
        "run(c, text=True)", "run(c, text=True, encoding='utf-8')", "os.open(p, 0)", "p.open('w')", "wire.open()",
        "NamedTemporaryFile()", "NamedTemporaryFile('w')", "os.fdopen(1, 'w')",
    ]  # fmt: skip
    assert [lines[n - 1] for n in unnamed("\n".join(lines))] == [
        "open(p)", "open(p, 'w')", "p.read_text()", "p.write_text(t)", "run(c, text=True)", "p.open('w')",
        "NamedTemporaryFile('w')", "os.fdopen(1, 'w')",
    ]  # fmt: skip


def test_whoever_reads_or_writes_text_names_its_encoding() -> None:
    """The locale's may be any."""
    found = {file: list(unnamed((ROOT / file).read_text(encoding="utf-8"))) for file in PYTHON}
    assert not {file: lines for file, lines in found.items() if lines}


def test_only_one_module_reads_yaml() -> None:
    """It refuses what is ambiguous, and what would cost too much."""
    assert [f for f in PYTHON if f.startswith("chaos/") and "yaml" in imported(ROOT / f)] == ["chaos/yamlfile.py"]


def imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    return names | {str(n.module) for n in nodes if isinstance(n, ast.ImportFrom)}
