"""Files in YAML as the harness reads them: what is accepted, what is refused, and where it says the trouble is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from chaos import yamlfile
from chaos.errors import BadExperiment
from tests.messages import Says


def write(folder: Path, content: str | bytes, name: str = "x.yaml") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def refused(file: Path) -> str:
    """Where it was refused, `LINE:COLUMN`, or nothing where no place can be named."""
    with pytest.raises(BadExperiment) as e:
        yamlfile.read(file)
    assert str(e.value).startswith(str(file))
    found = re.match(r":(\d+:\d+): ", str(e.value).removeprefix(str(file)))
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-7", -7), ("+7", 7), ("0", 0), ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), ("1e3", 1000.0),
        (".5", 0.5), ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("'1'", "1"),
        ('"true"', "true"), ("!!str 1", "1"), ("! 1", "1"),
        ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("01", "01"), ("007", "007"),
        ("1_000", "1_000"), ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("2022-10-15", "2022-10-15"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"), ("=", "="), ("0b11", "0b11"),
        (".nan", ".nan"), (".inf", ".inf"), ("-.INF", "-.INF"), ("1e999", "1e999"),
        ("9223372036854775808", "9223372036854775808"), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_scalars_have_the_type_they_look_like_and_are_text_where_that_is_in_doubt(
    tmp_path: Path, text: str, value: Any
) -> None:
    """YAML 1.2's core schema, numbers finite and of 64 bits."""
    found = yamlfile.read(write(tmp_path, f"a: {text}"))["a"]
    assert (type(found), found) == (type(value), value)
    assert type(yamlfile.value(text, "--set")) is type(value)


def test_labels_can_be_read_as_they_are_written(tmp_path: Path) -> None:
    """Where the reader asks for it, also behind an alias; null stays null."""
    file = write(tmp_path, "x: &x {a: 01, b: 1.10, c: no, d: true, e: 1e3, f: ~}\nlabels: *x\nother: *x\n")
    found = yamlfile.read(file, as_text=lambda keys: keys[0] == "labels")
    assert found["labels"] == {"a": "01", "b": "1.10", "c": "no", "d": "true", "e": "1e3", "f": None}
    assert found["other"] == {"a": "01", "b": 1.1, "c": "no", "d": True, "e": 1000.0, "f": None}


def test_keys_are_text() -> None:
    """Whatever they look like."""
    assert yamlfile.value("{1: a, no: b, 1.0: c, ~: d, 2022-10-15: e}", "x") == {
        "1": "a", "no": "b", "1.0": "c", "~": "d", "2022-10-15": "e",
    }  # fmt: skip


def test_merges_are_those_of_yaml_1_1(tmp_path: Path) -> None:
    """A mapping's own keys win, then those of the first mapping merged; what is merged may be overridden."""
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2, z: 2}\nc: {<<: [*a, *b], w: 3}\nd:\n  y: 4\n  <<: *b\n"
    found = yamlfile.read(write(tmp_path, text))
    assert found["b"] == {"x": 1, "y": 2, "z": 2}
    assert found["c"] == {"x": 1, "y": 1, "z": 2, "w": 3}
    assert found["d"] == {"x": 1, "y": 4, "z": 2}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1"),
        ("a:\n  - {x: 1, y: 2, x: 3}\n", "2:18"),
        ("a:\n  b:\n    c: 1\n    'c': 2\n", "4:5"),
        ("1: a\n1: b\n", "2:1"),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}\n", "2:13"),
        ("? [a]\n: 1\n", "1:3"),
        ("? {a: 1}\n: 1\n", "1:3"),
        ("a: *b\n", "1:4"),
        ("a: &a [*a]\n", "1:8"),
        ("a: &a {b: {c: *a}}\n", "1:15"),
        ("a: &a {<<: *a}\n", "1:12"),
        ("a: 1\n---\nb: 2\n", "2:1"),
        ("a: !!python/object:os.system {}\n", "1:4"),
        ("a: !reset null\n", "1:4"),
        ("a: !!set {x}\n", "1:4"),
        ("a: !!binary aGk=\n", "1:4"),
        ("x: {<<: 1}\n", "1:9"),
        ("x: {<<: [1]}\n", "1:10"),
        ('a: "x\\0y"\n', "1:4"),
        ("a: [1\n", "2:1"),
        ("a:\n\tb: 1\n", "2:1"),
        ("a: b: c\n", "1:5"),
        (b"a: 1\nb: \0\n", "2:4"),
        (b"a: 1\nb: caf\xe9\n", "2:7"),
        ("a: é".encode("utf-16"), "1:1"),
        ("a: e".encode("utf-16-le"), "1:2"),
        ("a: é".encode("utf-32"), "1:1"),
        ("[" * 200, "1:51"),
        ("- " * 200, "1:101"),
        ("{a: " * 200, "1:198"),
    ],
)  # fmt: skip
def test_what_is_refused_says_where(tmp_path: Path, text: str | bytes, place: str) -> None:
    """Line and column."""
    assert refused(write(tmp_path, text)) == place


def test_text_is_utf_8_with_or_without_its_mark(tmp_path: Path) -> None:
    """Whatever the locale says."""
    for codec in ("utf-8", "utf-8-sig"):
        assert yamlfile.read(write(tmp_path, "a: é\r\n".encode(codec))) == {"a": "é"}


def bomb(form: str, deep: int, wide: int) -> str:
    lines = ["l0: &l0 [" + ", ".join("x" * wide) + "]" if form == "list" else "l0: &l0 {a: x, b: y}"]
    for n in range(1, deep):
        names = [f"*l{n - 1}"] * wide
        inner = ", ".join(names) if form == "list" else ", ".join(f"k{i}: {name}" for i, name in enumerate(names))
        lines.append(f"l{n}: &l{n} " + (f"[{inner}]" if form == "list" else f"{{{inner}}}"))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        bomb("list", 9, 9),
        bomb("mapping", 9, 9),
        bomb("list", 40, 2),
        "a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 200) + "]\n",
        "b0: &b0 {x: 1}\n" + "\n".join(f"b{n}: &b{n} {{<<: [*b{n - 1}, *b{n - 1}]}}" for n in range(1, 49)),
        "a: &a0 [x]\n" + "\n".join(f"b{n}: &a{n} [*a{n - 1}]" for n in range(1, 100)),
        "- x\n" * 200_000,
        "a: " + "x " * 100_000,
        "a: |\n" + "  x\n" * 60_000,
    ],
    ids=["lists", "mappings", "deep", "long text", "merges", "nesting", "wide", "one text", "one text of many lines"],
)  # fmt: skip
def test_a_small_file_that_stands_for_a_lot_is_refused_before_it_costs_anything(tmp_path: Path, text: str) -> None:
    """Aliases are counted with what they stand for."""
    assert refused(write(tmp_path, text))


def test_only_regular_files_of_a_sensible_size_are_read(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    large = write(tmp_path, "# " + "x" * yamlfile.MAX_BYTES, "large.yaml")
    for file in (tmp_path / "pipe.yaml", tmp_path / "folder.yaml", tmp_path / "gone.yaml", large, Path("/dev/zero"),
                 tmp_path / ("n" * 300), tmp_path / "nul\0.yaml"):  # fmt: skip
        assert refused(file) == ""


def test_a_file_holds_nothing_or_one_value(tmp_path: Path) -> None:
    """Who wants a mapping says so."""
    assert yamlfile.read(write(tmp_path, "")) is None
    assert yamlfile.read(write(tmp_path, "# nothing\n---\n")) is None
    assert yamlfile.read(write(tmp_path, "--- [1, {}]\n...\n")) == [1, {}]
    for text in ("", "[]", "a", "1"):
        with pytest.raises(BadExperiment):
            yamlfile.mapping(write(tmp_path, text))


def test_names_are_found_with_either_ending_and_leftovers_of_editors_are_no_files(tmp_path: Path, says: Says) -> None:
    """Both endings under one name are an error that names both."""
    for name in ("a.yaml", "b.yml", ".#c.yaml", "._a.yaml", "a.yaml~", "#a.yaml#", ".yaml"):
        write(tmp_path, "", name)
    (tmp_path / ".#a.yaml").symlink_to("user@host.1234:5678")
    (tmp_path / "d.yaml").mkdir()
    assert [p.name for p in yamlfile.files(tmp_path)] == ["a.yaml", "b.yml"]
    assert yamlfile.names(tmp_path) == ["a", "b"]
    assert yamlfile.find(tmp_path, "b") == tmp_path / "b.yml"
    for name in ("c", "d", "", "../x", ".", "n" * 300):
        assert yamlfile.find(tmp_path, name) is None
    write(tmp_path, "", "a.yml")
    with says.raises(BadExperiment):
        yamlfile.find(tmp_path, "a")
    assert yamlfile.files(tmp_path / "nowhere") == []


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    """For reports that point into a file."""
    root = yamlfile.compose(write(tmp_path, "a: 1\nchecks:\n  - {x: 1}\n  - y\n"))
    assert root is not None
    checks = root.get("checks")
    assert checks is not None and isinstance(checks.content, list)
    assert [n.line for n in checks.content] == [3, 4]
