"""The repository's own rules: what every file, fault, checker and document must have."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from chaos import registry
from chaos.cli import COMMANDS

ROOT = Path(__file__).parents[2]
FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PYTHON = [f for f in FILES if f.endswith(".py") and (ROOT / f).exists() and (ROOT / f).stat().st_size]


@pytest.mark.parametrize("file", [f for f in PYTHON if f.startswith(("chaos/", "services/", "experiments/"))])
def test_every_module_opens_with_a_sentence(file: str) -> None:
    """A module's first line says what it is."""
    doc = ast.get_docstring(ast.parse((ROOT / file).read_text()))
    assert doc and len(doc.splitlines()[0]) > 15


@pytest.mark.parametrize("file", [f for f in PYTHON if "/test_" in f])
def test_every_test_says_what_it_shows_and_can_fail(file: str) -> None:
    """A docstring, and an assertion or a `with pytest.raises`."""
    functions = [n for n in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(n, DEFINITIONS)]
    claiming = {f.name for f in functions if claims(f)}
    for test in (f for f in functions if f.name.startswith("test_")):
        calls = {n.func.id for n in ast.walk(test) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert ast.get_docstring(test), f"{file}:{test.lineno} {test.name} has no docstring"
        assert claims(test) or calls & claiming, f"{file}:{test.lineno} {test.name} cannot fail"


def claims(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Assert | ast.With | ast.AsyncWith) for n in ast.walk(node))


@pytest.mark.parametrize("kind", ["faults", "checkers"])
def test_every_fault_and_checker_is_in_the_documentation(kind: str) -> None:
    """docs/guide names each by its YAML name."""
    text = "".join(p.read_text() for p in (ROOT / "docs/guide").glob("*.md"))
    for name in registry.names(f"chaos.{kind}"):
        assert f"`{name}`" in text, f"{name} is missing in docs/guide"


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md has a line for each package of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "docs/dependencies.md").read_text()
    packages = project["dependencies"] + [p for extra in project["optional-dependencies"].values() for p in extra]
    for package in packages:
        assert re.split(r"[>=]", package)[0] in text, package
        assert ">=" in package, f"{package} has no lower bound"


def test_no_file_names_a_place_outside_the_project() -> None:
    """No registry host and no path of the machine it was written on."""
    forbidden = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "pypi" + r"\.org", "deb\\.debian" + r"\.org"]))
    for file in FILES:
        path = ROOT / file
        if path.is_file() and path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ""}:
            text = path.read_text(errors="replace")
            assert not forbidden.search(text), f"{file}: {forbidden.search(text)}"


def test_links_in_documents_lead_somewhere() -> None:
    """Relative links of every Markdown file exist."""
    for file in (f for f in FILES if f.endswith(".md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / file).read_text()):
            assert ((ROOT / file).parent / target).exists(), f"{file}: {target}"


def test_the_readme_shows_only_commands_that_exist() -> None:
    """Every `chaos X` in a code block of README and guide is a command."""
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", path.read_text(), re.DOTALL):
            for name in re.findall(r"^(?:\$ )?(?:\.venv/bin/)?chaos ([a-z-]+)", block, re.MULTILINE):
                assert name in COMMANDS, f"{path.name}: chaos {name}"


def test_every_container_is_labelled_bound_to_loopback_and_unprivileged() -> None:
    """docker-compose.yml: labels, 127.0.0.1 only, no root, no capabilities, no engine socket."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, spec in services.items():
        assert {"chaos.component", "chaos.zone", "chaos.owner"} <= set(spec["labels"]), name
        assert spec["user"] == "1000:1000" and spec["cap_drop"] == ["ALL"], name
        assert all(str(port).startswith("127.0.0.1:") for port in spec.get("ports", ())), name
        assert "docker.sock" not in str(spec), name
