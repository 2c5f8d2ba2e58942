"""The pytest plugin: experiment files are tests, and tests drive faults with the `chaos` fixture.

It is passive by default: no file is collected without --chaos or its own path on the command line, no stack is started
before a test uses the fixture, and nothing else of the harness is imported before that. It is documented in
docs/guide/pytest.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pytest

from chaos import naming
from chaos.targets.known import ATTACHED, KNOWN

if TYPE_CHECKING:
    from chaos.record.findings import Document
    from chaos.run.child import Played

STACKS = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
TARGETS = tuple(KNOWN)
PROGRAM = (sys.executable, "-m", "chaos")
BUDGET = 600.0  # seconds an experiment may take
ENDS_WITHIN = 60.0  # seconds the stack may take to heal and to end
CHOOSERS = {"pick", "share", "except_"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "chaos experiments and faults")
    add = group.addoption
    add("--chaos", action="store_true", help="Collect experiments/*.yaml as tests, also where only a folder above "
        "is named.")  # fmt: skip
    add("--chaos-target", choices=TARGETS, help="Where stacks run. Default: compose where an engine answers.")
    add("--chaos-stack", metavar="FILE", help="The stack's description. Default: the nearest above a test.")
    add("--chaos-project", metavar="NAME", help="A Compose project that runs, whoever started it, instead of a stack.")
    add("--chaos-posture", metavar="NAME", help="The stack's named set of knobs.")
    add("--chaos-set", metavar="KNOB=VALUE", action="append", default=[], help="One knob on top (repeatable).")
    add("--chaos-seed", metavar="N", type=int, action="append", default=[],
        help="All randomness comes from it (repeatable: each experiment once a seed). Default: 7.")  # fmt: skip
    add("--chaos-short", action="store_true", help="Experiments in their short form.")
    add("--chaos-without", metavar="CHECK", action="append", default=[], help="Leave out checks of this kind.")
    add("--chaos-runs", metavar="DIR", help="Where runs are kept. Default: runs/ beside the stack's description.")
    parser.addini("chaos_budget", f"Seconds an experiment may take (default {BUDGET:g}); then it is ended.", default="")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "chaos_target(*targets): play this test on these targets only (compose, process); skipped elsewhere",
        "chaos_time(seconds): a test's faults are healed after so long and the test fails; an experiment is ended",
        "chaos_experiment: an experiment file; every one has it, so that -m can choose them",
    ):
        config.addinivalue_line("markers", line)
    config.stash[STANDING] = {}


def pytest_unconfigure(config: pytest.Config) -> None:
    for stack in config.stash.get(STANDING, {}).values():
        stack.close()


# --- experiment files as tests


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    ours = file_path.suffix in (".yaml", ".yml") and not file_path.name.startswith(".")
    if not ours or file_path.parent.name != "experiments":
        return None
    return ExperimentFile.from_parent(parent, path=file_path) if _asked(parent.config, file_path) else None


def _asked(config: pytest.Config, file: Path) -> bool:
    """Whether --chaos was given, or the path of the file or of its folder."""
    if config.getoption("--chaos"):
        return True
    here = config.invocation_params.dir
    named = {(here / str(arg).split("::")[0]).resolve() for arg in config.args}
    return bool(named & {file.resolve(), file.parent.resolve()})


class ExperimentFile(pytest.File):
    """One experiment, as one test for each seed."""

    def collect(self) -> Iterator[pytest.Item]:
        for seed in self.config.getoption("--chaos-seed") or [7]:
            yield ExperimentItem.from_parent(self, name=f"{self.path.stem}[seed {seed}]", seed=seed)


class ExperimentItem(pytest.Item):
    """`chaos run` of the file; it fails unless the verdict is PASS."""

    def __init__(self, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.add_marker("chaos_experiment")

    def runtest(self) -> None:
        from chaos.record import findings
        from chaos.record.store import place
        from chaos.run.child import Player

        option = self.config.getoption
        stack = _stack(self.config, self.path)
        for (path, _), driven in self.config.stash[STANDING].items():
            if path == stack:
                driven.close()  # only one command at a time may use a stack; the next test starts it again
        runs = Path(option("--chaos-runs") or stack.parent / "runs").resolve()
        args = [str(self.path), "--seed", str(self.seed), "--plain", "--metrics-port", "0"]
        args += _stack_options(self.config, stack, option("--chaos-target"))
        args += ["--short"] if option("--chaos-short") else []
        for check in option("--chaos-without"):
            args += ["--without", check]
        mark = self.get_closest_marker("chaos_time")
        budget = float(mark.args[0] if mark else self.config.getini("chaos_budget") or BUDGET)
        player = Player(stack.parent, lambda line: print(line, file=sys.stderr), PROGRAM)
        played = player.play(args, place(runs, self.path.stem, self.seed), budget)
        document = findings.read(played.run / "findings.json") if played.run else None
        self._properties(document, played)
        if played.code != 0 or document is None or document.verdict != "PASS":
            raise NotPassed(played, document, budget)

    def _properties(self, document: Document | None, played: Played) -> None:
        """Properties for junit.xml: the verdict, the seed, and every measure by its dotted name."""
        verdict = document.verdict if document else ""
        said = {"chaos.verdict": verdict, "chaos.seed": self.seed, "chaos.run": str(played.run)}
        if document:
            said |= {"chaos.target": document.target, "chaos.posture": document.posture}
        for name, value in (document.figures if document else {}).items():
            said[name] = "never" if value is None else f"{value:g}"
        self.user_properties.extend((name, str(value)) for name, value in said.items())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotPassed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"experiment {self.name}"


class NotPassed(Exception):
    """A verdict other than PASS, with the summaries of its findings."""

    def __init__(self, played: Played, document: Document | None, budget: float) -> None:
        lines = [f"{document.verdict if document else 'no verdict'} (exit {played.code})"]
        if played.over:
            lines.append(f"over its budget of {budget:g} s: it was ended, and healed")
        for f in document.findings if document else ():
            if f.verdict != "PASS" and not (f.xfail and f.verdict == "FAIL"):
                lines.append(f"{f.verdict:<13} {f.check}: {f.summary}")
        if not document:
            lines += list(played.said[-10:])
        if played.run:
            lines.append(f"report: {played.run / 'report.html'}")
        super().__init__("\n".join(lines))


# --- faults from a test


@pytest.fixture
def chaos(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[Chaos]:
    """The nearest stack above the test, running and healthy: break it with `with chaos.fault(…):`.

    It is started for the first test that uses it, and ended with the session. A stack that `chaos up` left running is
    used and left running. Every fault is healed at the end of its block, and no test starts before all nodes are
    healthy.
    """
    config = request.config
    kind = ATTACHED if config.getoption("--chaos-project") else config.getoption("--chaos-target")
    if mark := request.node.get_closest_marker("chaos_target"):
        kind = _one_of(kind, mark.args)
        if kind is None:
            pytest.skip(f"for {' or '.join(mark.args)} only, and none of them is available")
    stack = _stack(config, request.node.path)
    standing = config.stash[STANDING]
    driven = _found(standing, stack, kind)
    if driven is None:
        driven = standing[stack, kind] = _Driven(stack, _stack_options(config, stack, kind), _seed(config))
    limit = request.node.get_closest_marker("chaos_time")
    driven.ask("well")
    found = Chaos(driven, float(limit.args[0]) if limit else None)
    record_property("chaos.seed", _seed(config))
    record_property("chaos.target", driven.target)
    try:
        yield found
    finally:
        for fault in reversed(found.active):
            fault.heal()


def _found(standing: Mapping[tuple[Path, str | None], _Driven], stack: Path, kind: str | None) -> _Driven | None:
    """The stack if it is already running, also if one test names the target that is another test's default."""
    up = {asked: driven for (path, asked), driven in standing.items() if path == stack and not driven.ended}
    if not up or kind in up:
        return up.get(kind)
    wanted = kind or _one_of(None, TARGETS)
    return next((driven for driven in up.values() if driven.target == wanted), None)


def _one_of(asked: str | None, fit: Sequence[str]) -> str | None:
    """The target to use among those that a test supports; None if there is none."""
    if unknown := set(fit) - set(TARGETS):
        raise pytest.UsageError(f"chaos_target: no target called {unknown.pop()!r}; known: {', '.join(TARGETS)}")
    if asked:
        return asked if asked in fit else None
    here = [kind for kind in fit if not KNOWN[kind].unavailable()]
    return next((kind for kind in TARGETS if kind in here), None)


Where = Mapping[str, object] | Sequence[Mapping[str, object]]  # a selector, or several, as in an experiment


def _seed(config: pytest.Config) -> int:
    return next(iter(config.getoption("--chaos-seed")), 7)


@dataclass(frozen=True)
class StackNode:
    """One container, or one process group."""

    name: str
    component: str
    zone: str


@dataclass(frozen=True)
class Answer:
    """The response of a node."""

    status: int
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


class InjectedFault:
    """A fault as a context manager: it is confirmed when the block starts, and healed when it ends."""

    def __init__(self, chaos: Chaos, name: str, request: Mapping[str, Any]) -> None:
        self._chaos, self.name, self._request = chaos, name, request
        self._step = ""
        self.nodes: tuple[str, ...] = ()  # the nodes it affects, once it is in force

    def __enter__(self) -> Self:
        answer = self._chaos.driven.ask("inject", **self._request)
        self._step, self.nodes = answer["step"], tuple(answer["nodes"])
        self._chaos.active.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            in_time = self.heal()
        except Exception as e:
            if error is None:
                raise
            error.add_note(f"and {self.name} could not be healed: {e}")
            return
        if not in_time:
            words = f"{self.name} was healed after {self._chaos.limit:g} s (chaos_time), before its block had ended"
            if error is None:
                pytest.fail(words, pytrace=False)
            error.add_note(words)

    def heal(self) -> bool:
        """Heal now, and wait until its nodes are healthy. False if it had been healed because its time limit had
        passed.
        """
        if self not in self._chaos.active:
            return True
        self._chaos.active.remove(self)
        return bool(self._chaos.driven.ask("heal", step=self._step)["in_time"])


class Chaos:
    """What a test can do to its stack, and ask it."""

    def __init__(self, driven: _Driven, limit: float | None) -> None:
        from chaos.errors import TargetError

        self.NoAnswer: type[Exception] = TargetError  # raised by `get` and `exec` without an answer
        self.driven, self.limit = driven, limit
        self.active: list[InjectedFault] = []

    @property
    def nodes(self) -> tuple[StackNode, ...]:
        return tuple(StackNode(**n) for n in self.driven.nodes)

    def fault(self, name: str, /, where: Where | None = None, **words: object) -> InjectedFault:
        """Inject a fault: `chaos.fault("partition", zone="a", to={"zone": "b"})`.

        Keywords that are parameters of the fault are passed to it. All others select nodes (labels; `pick`, `share`,
        `except_`), as under `where` in an experiment.

        Raises BadExperiment for a mistake, NoEffect if its effect cannot be confirmed, when the block begins.
        """
        from chaos import registry

        known = registry.parameters(registry.load("chaos.faults", name))
        params = {k: v for k, v in words.items() if k in known}
        labels = {k.removesuffix("_") if k in CHOOSERS else k: v for k, v in words.items() if k not in known}
        if where is not None and labels:
            raise TypeError(f"chaos.fault({name!r}): nodes are selected twice, by `where` and by {', '.join(labels)}")
        request = {"fault": name, "where": labels if where is None else where, "with": params, "limit": self.limit}
        return InjectedFault(self, name, request)

    def get(self, node: str, port: int, path: str = "/", timeout: float = 2.0) -> Answer:
        """HTTP GET from outside every zone. Raises `NoAnswer`."""
        answer = self.driven.ask("fetch", node=node, port=port, path=path, timeout=timeout)
        return Answer(answer["status"], answer["body"])

    def exec(self, node: str, *command: str, timeout: float = 10.0) -> tuple[int, str]:
        """Exit code and output of a command inside a node."""
        answer = self.driven.ask("exec", node=node, command=list(command), timeout=timeout)
        return answer["code"], answer["output"]

    def well(self, *nodes: str, within: float = 30.0) -> None:
        """Return when these nodes (default: all without a fault) are healthy."""
        self.driven.ask("well", nodes=list(nodes), within=within)


class _Driven:
    """A `chaos drive` process. It holds the faults, so that they are healed even if pytest is killed."""

    def __init__(self, stack: Path, options: Sequence[str], seed: int) -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # closed with the stack
        from chaos import redaction

        argv, hidden = redaction.carried(options)
        self._process = subprocess.Popen(
            [*PROGRAM, "drive", *argv, "--seed", str(seed)], cwd=stack.parent,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, encoding="utf-8",
            errors="replace", start_new_session=True, env=os.environ | hidden | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self.ended, self._last = False, ""
        ready = self._answer()
        self.target: str = ready["target"]
        self.nodes: list[dict[str, str]] = ready["nodes"]

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request. Raises the harness's exceptions."""
        if self.ended:
            self._gone()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._gone()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        from chaos import errors, safe

        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._gone()
        answer: dict[str, Any] = json.loads(line)
        if not answer.get("ok", True):
            raise getattr(errors, answer["type"], errors.ChaosError)(safe.text(answer["error"]))
        return answer

    def _gone(self) -> Any:
        from chaos.errors import ChaosError

        if not self.ended:
            self.close()
        raise ChaosError(f"`chaos drive` has ended (exit {self._process.returncode}); its output:\n{self._words()}")

    def _words(self) -> str:
        if self._said.closed:
            return self._last
        self._said.seek(0)
        return self._said.read()[-2000:].strip()

    def close(self) -> None:
        """Close its input: it heals everything and ends the stack."""
        if self.ended:
            return
        self.ended = True
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            code = self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            code = self._process.wait()
        self._process.stdout.close()
        if code:
            print(f"chaos drive ended with exit code {code}; its output:\n{self._words()}", file=sys.stderr)
        self._last = self._words()
        self._said.close()


STANDING: pytest.StashKey[dict[tuple[Path, str | None], _Driven]] = pytest.StashKey()


# --- which stack, and how


def _stack(config: pytest.Config, test: Path) -> Path:
    """The stack's description: the requested one, else the nearest above the test. Raises UsageError."""
    if project := config.getoption("--chaos-project"):
        return config.rootpath / f"{naming.PROJECT}{project}"
    if asked := config.getoption("--chaos-stack"):
        return (config.invocation_params.dir / str(asked)).resolve()
    for folder in test.resolve().parents:
        for name in STACKS:
            if (folder / name).is_file():
                return folder / name
        if folder == config.rootpath:
            break
    raise pytest.UsageError(f"{test}: found no {' or '.join(STACKS)} in the folders above it up to {config.rootpath}; "
                            "name the stack's description with --chaos-stack FILE")  # fmt: skip


def _stack_options(config: pytest.Config, stack: Path, kind: str | None) -> list[str]:
    if project := naming.project(stack):
        return ["--project", project]
    found = ["--stack", str(stack)]
    found += ["--target", kind] if kind else []
    found += ["--posture", posture] if (posture := config.getoption("--chaos-posture")) else []
    for knob in config.getoption("--chaos-set"):
        found += ["--set", knob]
    return found
