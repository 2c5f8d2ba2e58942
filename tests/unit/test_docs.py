"""Every command that README and docs show is one that works: run where it starts nothing, planned where it plays."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

from chaos.cli import COMMANDS, chaos, main
from chaos.experiment import suite as suites
from chaos.model import Verdict

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "services/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
GOLDEN = ROOT / "tests" / "golden"

# Commands that start nothing, as shown.
LOOKS = {"list", "plan", "discover", "faults", "schema", "show", "check", "report", "trend", "suite"}
OURS = {"chaos", "python", "python3", "pytest", "make"}
ASIDE = {"echo", "pip", "pip3", "docker", "git", "cd", "export", "sudo", "curl", "apt", "apt-get", "tee", "less"}
ASIDE |= {"promtool"}  # its files are looked for
PLACEHOLDER = re.compile(r"[…<>]|\b[A-Z]{2,}\b|\.\.\.")


class Shown(NamedTuple):
    page: str
    line: int
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        return shlex.join(self.words)


def shown() -> Iterator[Shown]:
    """Commands of code blocks, one a simple command, and those of ours in the running text that have no placeholder."""
    for page in PAGES:
        text = page.read_text()
        for block in re.finditer(r"```(?:sh|console|bash)\n(.*?)```", text, re.DOTALL):
            first = text.count("\n", 0, block.start(1)) + 1
            for n, line in enumerate(block[1].splitlines()):
                for words in commands(line):
                    yield Shown(str(page.relative_to(ROOT)), first + n, words)
        plain = re.sub(r"```.*?```", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL)
        for span in re.finditer(r"`(chaos [^`\n]+)`", plain):
            words = tuple(shlex.split(span[1])) if span[1].count("'") % 2 == 0 else ()
            if len(words) > 2 and not PLACEHOLDER.search(span[1]):
                yield Shown(str(page.relative_to(ROOT)), plain.count("\n", 0, span.start()) + 1, words)


def commands(line: str) -> Iterator[tuple[str, ...]]:
    """`a | b && c # d` is three commands; what stands before `=` in front of one is its environment."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if re.fullmatch(r"[|&;<>]+", token):
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words:
                yield (Path(words[0]).name, *words[1:])
            words = []
        else:
            words.append(token)


SHOWN = list(shown())
EACH = pytest.mark.parametrize("command", SHOWN, ids=[f"{s.page}:{s.line}:{s.text[:40]}" for s in SHOWN])


@EACH
def test_a_command_that_is_shown_can_be_typed(command: Shown) -> None:
    """Its name, its options and their values; `make` targets, modules and paths are there."""
    name, *args = command.words
    where = f"{command.page}:{command.line}: {command.text}"
    assert name in OURS | ASIDE, f"{where}: {name} is checked by nobody; teach tests/unit/test_docs.py to"
    if name == "chaos":
        parsed(args, where)
    elif name == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert all(a in targets for a in args if "=" not in a), where
    elif name in ("python", "python3") and args[:1] == ["-m"]:
        assert importlib.util.find_spec(args[1]), f"{where}: no module {args[1]}"
    elif name == "promtool":
        files = [p for a in args if "/" in a for p in ROOT.glob(a)]
        assert files, f"{where}: no such file"
    elif name == "pytest":
        paths = [a for n, a in enumerate(args) if not a.startswith("-") and not args[max(0, n - 1)].startswith("--")]
        assert all((ROOT / p).exists() for p in paths), f"{where}: no such path"


def parsed(args: Sequence[str], where: str) -> None:
    """What click makes of it, without doing it."""
    if not args or args[0].startswith("-"):
        chaos.make_parser(click.Context(chaos)).parse_args(list(args))
        return
    assert args[0] in COMMANDS, f"{where}: no such command"
    command = chaos.get_command(click.Context(chaos), args[0])
    assert command is not None
    try:
        command.make_context(args[0], list(args[1:]), resilient_parsing=False)
    except click.exceptions.Exit:
        pass  # --help
    except click.UsageError as e:
        pytest.fail(f"{where}: {e.format_message()}")


@pytest.mark.parametrize("args", [["run", "zone-fire", "--sed", "3"], ["rnu"], ["run"], ["plan", "x", "--seed", "y"]])
def test_what_cannot_be_typed_is_seen(args: list[str]) -> None:
    """The check can fail."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        parsed(args, "here")


def test_a_line_is_taken_apart_as_a_shell_would() -> None:
    """Comments, pipes and variables."""
    assert list(commands("A=1 .venv/bin/chaos run x  # why | not")) == [("chaos", "run", "x")]
    assert list(commands("echo '{\"a\": 1}' | chaos drive && make test")) == [
        ("echo", '{"a": 1}'), ("chaos", "drive"), ("make", "test"),
    ]  # fmt: skip


# --- in a project like ours, with runs that were made before


def experiments() -> Iterator[tuple[str, str]]:
    """Whole experiments in YAML blocks: name and text."""
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            try:
                found = yaml.safe_load(block)
            except yaml.YAMLError:
                continue
            if isinstance(found, dict) and {"name", "claim", "timeline"} <= set(found):
                yield found["name"], block


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's stack and experiments, those of the docs, and recorded runs under the names that the docs use."""
    place = tmp_path_factory.mktemp("project")
    for name in ("docker-compose.yml", "services", "seeds", "examples", "observe"):
        (place / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "experiments", place / "experiments")
    for name, text in experiments():
        (place / "experiments" / f"{name}.yaml").write_text(text)
    stamps = [f"202601{n:02}T000000Z-s7" for n in range(1, 9)]
    for stamp in stamps:
        past(place, "zone-fire-as-was", "zone-fire", stamp)
        past(place, "zone-fire-remedied", "node-kill", stamp)
    for words in (s.words for s in SHOWN if s.words[:2] in (("chaos", "trend"), ("chaos", "compare"))):
        for word in words:  # runs that the docs name
            if re.fullmatch(r"(runs/zone-fire/)?\d{8}T\d{6}Z-s\d+", word):
                past(place, "zone-fire-as-was", "zone-fire", word.rpartition("/")[2])
    shutil.copytree(GOLDEN / "zone-fire-as-was", place / "runs" / "zone-fire" / "20991231T000000Z-s7")
    programs = place / "bin"
    programs.mkdir()
    (programs / "prometheus").symlink_to(shutil.which("true") or "/bin/true")
    return place


def past(place: Path, golden: str, experiment: str, stamp: str) -> None:
    run = place / "runs" / experiment / stamp
    run.mkdir(parents=True)
    plan = json.loads((GOLDEN / golden / "plan.json").read_text()) | {"experiment": experiment}
    (run / "plan.json").write_text(json.dumps(plan))
    shutil.copy(GOLDEN / golden / "findings.json", run)


def quiet(words: Sequence[str]) -> list[str] | None:
    """What of a command can be really done here: looking, and planning in the place of playing."""
    name, *args = words
    if name != "chaos" or not args or "--help" in args:
        return None
    verb, *rest = args
    if verb == "run":
        verb, rest = "plan", planned(rest)
    if verb not in LOOKS:
        return None
    if verb in ("plan", "discover", "faults", "suite"):  # the embedded target is everywhere
        rest = [w for n, w in enumerate(rest) if w != "--target" and (not n or rest[n - 1] != "--target")]
        rest += ["--target", "process"]
    if verb == "suite" and "--dry" not in rest:
        rest.append("--dry")
    return [verb, *rest]


def planned(args: Sequence[str]) -> list[str]:
    """Arguments of `run` without the options that `plan` has not."""
    context = click.Context(chaos)
    run, plan = (chaos.get_command(context, name) for name in ("run", "plan"))
    assert run and plan
    known = {name for option in plan.params for name in option.opts}
    extra = {name: option for option in run.params for name in option.opts if name not in known}
    kept, left = [], iter(args)
    for word in left:
        option = extra.get(word)
        if option is None:
            kept.append(word)
        elif not getattr(option, "is_flag", False):
            next(left)
    return kept


QUIET = {tuple(found): s for s in SHOWN if (found := quiet(s.words)) and not any(w in ("NAME", "RUN") for w in found)}


@pytest.mark.parametrize("args", QUIET, ids=lambda args: " ".join(args)[:60])
def test_a_command_that_starts_nothing_works_as_shown(
    args: tuple[str, ...], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0 (`trend`: 1 says that something got worse; `check`: the verdict's), and something to read."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("PATH", f"{project / 'bin'}:/usr/bin:/bin")
    with pytest.raises(SystemExit) as e:
        main(args)
    said = capsys.readouterr()
    shows = QUIET[args]
    good = {"trend": {0, 1}, "check": {v.exit_code for v in Verdict}}.get(args[0], {0})
    assert (e.value.code or 0) in good, f"{shows.page}:{shows.line}: {said.err}"
    assert said.out.strip()


def test_suites_of_the_docs_can_be_read(tmp_path: Path) -> None:
    """Each YAML block that is one."""
    found = 0
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            if block.startswith("name:") and "\nruns:" in block:
                path = tmp_path / f"{yaml.safe_load(block)['name']}.yaml"
                path.write_text(block)
                assert suites.read(path).runs
                found += 1
    assert found
