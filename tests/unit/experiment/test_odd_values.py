"""Every value of every file that is shipped, replaced by something odd: refused in words, or accepted."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos import yamlfile
from chaos.cli import main

ROOT = Path(__file__).parents[3]
RAW = {"@1e999": "1e999", "@nan": ".nan", "@ints": "{1: 2, 3: 4}"}  # what JSON does not have
ODD: list[Any] = [
    None, [], {}, "", 0, -1, "@1e999", "@nan", True, [None, None], [[[]]], "x" * 10_000, "@ints", 10**18, 0.5, "odd",
    ["a", "b"], -1e300, {"a": None}, "0s", "-5s", "9999999999h", "150%", "a 'b", "${x}", "${", "\x1b[31mé\u2028",
]  # fmt: skip
ALIKE = {"services", "environment", "x-env", "labels", "targets", "as-was", "remedied", "needs", "journeys", "when",
         "components", "teams", "from_the_seeds", "networks", "volumes", "report_shares_public"}  # fmt: skip
PLAN = ["--target", "process", "--without", "promql"]
KINDS: dict[str, Callable[[str], list[str]]] = {
    "experiments/*.yaml": lambda name: ["plan", name, *PLAN],
    "docker-compose.yml": lambda _: ["plan", "staff-exodus", *PLAN],
    "services/staff.yaml": lambda _: ["plan", "staff-exodus", *PLAN],
    "seeds/*.yaml": lambda name: ["incident", name],
    "experiments/suites/*.yaml": lambda name: ["suite", name, "--dry", "--target", "process"],
    "experiments/simulations/*.yaml": lambda name: ["simulate", name, "--users", "100", "--servers", "30"],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    (tmp_path / "services").mkdir()
    shutil.copy(ROOT / "services" / "staff.yaml", tmp_path / "services")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.mark.parametrize("pattern", KINDS)
def test_an_odd_value_is_refused_or_accepted_and_never_a_bug(
    pattern: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One odd value for each place that has a name of its own; which one differs from place to place."""
    seen: set[tuple[str, ...]] = set()
    codes = set()
    for file in sorted(project.glob(pattern)):
        before, doc = file.read_bytes(), yamlfile.read(file)
        for at in places(doc):
            name = named(at)
            if name in seen:
                continue
            seen.add(name)
            odd = ODD[len(seen) % len(ODD)]
            file.write_text(written(replaced(doc, at, odd)), encoding="utf-8")
            code = call(KINDS[pattern](file.stem))
            said = capsys.readouterr().err
            assert code in (0, 64) and "traceback" not in said, f"{file.name} {at} {odd!r:.80}: {code} {said:.300}"
            codes.add(code)
        file.write_bytes(before)
    assert 64 in codes


def named(at: tuple[Any, ...]) -> tuple[str, ...]:
    """The place by its keys, where entries of lists are alike and those of mappings whose keys are free."""
    return tuple("*" if isinstance(key, int) or at[k - 1] in ALIKE else key for k, key in enumerate(at))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], odd: Any) -> Any:
    if not at:
        return odd
    made = copy.copy(value)
    made[at[0]] = replaced(value[at[0]], at[1:], odd)
    return made


def written(doc: Any) -> str:
    text = json.dumps(doc, ensure_ascii=False)
    for sign, raw in RAW.items():
        text = text.replace(f'"{sign}"', raw)
    return text


def call(args: list[str]) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)
