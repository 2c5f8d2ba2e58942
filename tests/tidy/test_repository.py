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
ASSERTING = {"raises", "warns", "deprecated_call", "fail"}
TEXT = re.compile(r"str\(\w+(\.value)?\)")  # what is asked of an error
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PYTHON = [f for f in FILES if f.endswith(".py") and (ROOT / f).exists() and (ROOT / f).stat().st_size]


@pytest.mark.parametrize("file", [f for f in PYTHON if f.startswith(("chaos/", "services/", "experiments/"))])
def test_every_module_opens_with_a_sentence(file: str) -> None:
    """A module's first line says what it is."""
    doc = ast.get_docstring(ast.parse((ROOT / file).read_text()))
    assert doc and len(doc.splitlines()[0]) > 15


@pytest.mark.parametrize("file", [f for f in PYTHON if "/test_" in f])
def test_every_test_says_what_it_shows_and_can_fail(file: str) -> None:
    """A docstring, and an assertion: `assert`, `pytest.raises` and its like, `says`, or a helper beside it with one."""
    functions = [n for n in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(n, DEFINITIONS)]
    claiming = {f.name for f in functions if claims(f)}
    for test in (f for f in functions if f.name.startswith("test_")):
        calls = {n.func.id for n in ast.walk(test) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert ast.get_docstring(test), f"{file}:{test.lineno} {test.name} has no docstring"
        assert claims(test) or calls & claiming, f"{file}:{test.lineno} {test.name} cannot fail"


def claims(node: ast.AST) -> bool:
    """A `with` claims nothing by itself: a lock or a file may stand there."""
    return any(isinstance(n, ast.Assert) or (isinstance(n, ast.Call) and asserts(n.func)) for n in ast.walk(node))


def asserts(called: ast.expr) -> bool:
    words = ast.unparse(called)
    return words == "says" or words in {f"{of}.{what}" for of in ("pytest", "says") for what in ASSERTING}


@pytest.mark.parametrize(
    ("body", "can_fail"),
    [
        ("assert x", True), ("with pytest.raises(E): f()", True), ("with says.raises(E): f()", True), ("says(e)", True),
        ("pytest.fail('x')", True), ("async def play():\n  assert x", True), ("with open(x) as f: f.read()", False),
        ("with lock: x()", False), ("x()", False), ("log.warns(x)", False),
    ],
)  # fmt: skip
def test_only_what_asserts_can_fail(body: str, can_fail: bool) -> None:
    """Of that rule: what it takes for a claim."""
    assert claims(ast.parse(body)) is can_fail


@pytest.mark.parametrize("file", [f for f in PYTHON if f.startswith("tests/unit/") and "/test_" in f])
def test_unit_tests_leave_the_words_of_errors_to_the_snapshot(file: str) -> None:
    """`says.raises(…)`, and not a sentence in `match=` or in what is looked for in an error's text."""
    assert [
        words for node in ast.walk(ast.parse((ROOT / file).read_text())) for words in sought(node) if " " in words
    ] == []


def sought(node: ast.AST) -> list[str]:
    """The literal texts that an error's words are compared with here."""
    compared: list[ast.expr] = []
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises":
        compared = [k.value for k in node.keywords if k.arg == "match"]
    elif isinstance(node, ast.Compare) and any(TEXT.fullmatch(ast.unparse(c)) for c in node.comparators):
        compared = [node.left]
    constants = (n for expression in compared for n in ast.walk(expression) if isinstance(n, ast.Constant))
    return [str(n.value) for n in constants]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pytest.raises(E, match='no such thing')", ["no such thing"]), ("pytest.raises(E, match=words)", []),
        ("assert 'no such thing' in str(e.value)", ["no such thing"]), ("assert name in str(e.value)", []),
        ("assert 'no such thing' in names", []),
    ],
)  # fmt: skip
def test_words_of_errors_are_found(text: str, found: list[str]) -> None:
    """Of that rule: what it takes for them."""
    assert [words for node in ast.walk(ast.parse(text)) for words in sought(node)] == found


@pytest.mark.parametrize("kind", ["faults", "judge.checkers", "judge.assumptions"])
def test_every_fault_and_checker_is_in_the_documentation(kind: str) -> None:
    """docs/guide names each by its YAML name."""
    text = "".join(p.read_text() for p in (ROOT / "docs/guide").glob("*.md"))
    for name in registry.names(f"chaos.{kind}"):
        assert f"`{name}`" in text, f"{name} is missing in docs/guide"


# Recorded reports and benchmarks are output, and the changelog is wrapped with its next release.
DOCUMENTS = [
    f for f in FILES if f.endswith(".md") and not f.startswith(("docs/benchmarks", "CHANGELOG", ".github", "tests/"))
]


@pytest.mark.parametrize("file", DOCUMENTS)
def test_documents_wrap_at_120_columns(file: str) -> None:
    """But for tables, pictures, addresses, and commands that cannot be broken."""
    lines = enumerate((ROOT / file).read_text(encoding="utf-8").splitlines(), 1)
    long = {n: line for n, line in lines if len(line) > 120 and not line.lstrip().startswith(("|", "!["))}
    unbroken = re.compile(r"https?://\S+|`[^`]{80,}`")
    assert not [n for n, line in long.items() if not unbroken.search(line)], file


def test_the_readme_is_short() -> None:
    """At most 150 lines."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


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


def test_the_site_shows_every_page_and_the_guide_in_its_order() -> None:
    """mkdocs.yml names every file of docs/; docs/guide/README.md lists the guide's pages as the navigation does."""
    named: list[str] = re.findall(r"- (?:\w+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}
    assert set(named) == pages and len(named) == len(pages)
    listed = re.findall(r"^\d+\. .*?\((\S+\.md)\)", (ROOT / "docs/guide/README.md").read_text(), re.MULTILINE)
    guide = [page.removeprefix("guide/") for page in named if page.startswith("guide/")]
    assert guide == ["README.md", *(page for page in listed if "/" not in page)]


def test_actions_are_pinned_by_commit() -> None:
    """Every `uses:` of a workflow, and of the guide's, names a commit and says behind it which release that is."""
    files = [*(ROOT / ".github/workflows").glob("*.yml"), ROOT / "docs/guide/ci.md"]
    uses = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line), line


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
