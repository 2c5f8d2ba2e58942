"""The harness knows no word of the messaging stack: its journeys and components are parameters of experiments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Names of the stack that are ordinary words too, or words of a model of ours: what a page answers, what a form offers.
ORDINARY = {
    "auth", "failover", "gateway", "grafana", "limiter", "login", "page", "prometheus", "refresh", "status", "text",
    "timeline",
}  # fmt: skip


def words() -> set[str]:
    users = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "experiments" / "users").glob("*.py"))
    stack = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return {*re.findall(r'@journey\("([^"]+)"', users), *re.findall(r"chaos\.component: ([\w-]+)", stack)} - ORDINARY


def texts() -> Iterator[tuple[Path, ast.Constant]]:
    for file in sorted((ROOT / "chaos").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield file.relative_to(ROOT), node


def test_no_text_of_the_harness_is_a_name_of_the_stack() -> None:
    """Not even as a default."""
    known = words()
    assert {"canary", "login3p", "chat"} <= known
    assert not [f"{file}:{node.lineno}: {node.value}" for file, node in texts() if node.value in known]
