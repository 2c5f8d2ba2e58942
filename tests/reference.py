"""Makes docs/reference/ from the code.

    python -m tests.reference             say which pages are not what the code says
    python -m tests.reference --update    write them; read the diff before you commit it
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chaos import errors, registry
from chaos.experiment import schema
from chaos.model import Verdict
from chaos.targets.boxed import Boxed
from chaos.targets.compose import Compose
from chaos.targets.process import Process

PLACE = Path(__file__).parents[1] / "docs" / "reference"
MADE = "Made from the code by `python -m tests.reference --update`; a test compares it."
ASSUMPTIONS = ("floor", "steady", "bite")


def faults() -> str:
    lines = ["# Faults", "", MADE, "", "`chaos faults` says which of them this machine can do.", ""]
    lines += ["In an experiment a fault's parameters stand under `with`.", ""]
    names = registry.names("chaos.faults")
    lines += [f"[{name}](#{name})" + (" ·" if name != names[-1] else "") for name in names]
    for name in names:
        cls = registry.load("chaos.faults", name)
        lines += ["", f"## {name}", registry.summary(cls), "", *_parameters(cls)]
        lines += [f"Needs `{cls.needs.__name__}`: {_where(cls.needs)}."]
    return "\n".join(lines) + "\n"


def _where(needs: type) -> str:
    """Which targets have the capability: asked of their classes, nothing is started."""
    kinds = {"compose": Compose, "process, in a box": Boxed, "process, plain": Process}
    wanted = [name for name, value in vars(needs).items() if inspect.isfunction(value) and not name.startswith("_")]
    return " · ".join(kind for kind, cls in kinds.items() if all(hasattr(cls, method) for method in wanted))


def checks() -> str:
    lines = ["# Checks", "", MADE, "", "What each measures is in [Verdicts](../guide/verdicts.md).", ""]
    lines += ["A duration or a share is written as in [Experiments](../guide/experiments.md): `10s`, `95%`.", ""]
    names = registry.names("chaos.checkers")
    for title, group in (("Under `checks:`", [n for n in names if n not in ASSUMPTIONS]),
                         ("Judged before them, in every run", ASSUMPTIONS)):  # fmt: skip
        lines += [f"## {title}", ""]
        for name in group:
            cls = registry.load("chaos.checkers", name)
            lines += [f"### {name}", registry.summary(cls), "", *_parameters(cls)]
    return "\n".join(lines).rstrip() + "\n"


def _parameters(cls: type[Any]) -> Iterator[str]:
    found = registry.parameters(cls)
    if not found:
        return
    yield from ("| Parameter | Type | Default |", "|---|---|---|")
    for name, one in found.items():
        kind = one.type if isinstance(one.type, str) else getattr(one.type, "__name__", str(one.type))
        yield f"| `{name}` | {_cell(_named(cls, str(kind)))} | {_default(one)} |"
    yield ""


def _named(cls: type[Any], kind: str) -> str:
    """`Signal` is what its module says that it is."""
    found = vars(sys.modules[cls.__module__]).get(kind)
    choices = getattr(found, "__args__", None)
    return ", ".join(f"`{c}`" for c in choices) if choices else f"`{kind}`"


def _default(one: dataclasses.Field[Any]) -> str:
    if one.default is not dataclasses.MISSING:
        return f"`{one.default!r}`" if one.default != "" else "-"
    return "-" if one.default_factory is not dataclasses.MISSING else "must be given"


def _cell(text: str) -> str:
    return text.replace("|", "or")


def schema_page() -> str:
    found = schema()
    definitions: Mapping[str, Any] = found["$defs"]
    lines = ["# The experiment file", "", MADE, "", "`chaos schema` prints it as JSON Schema, for editors.", ""]
    order = ["Experiment", *(name for name in definitions if name != "Experiment")]
    for name in order:
        one = definitions[name]
        lines += [f"## {name}", "", *([_first(one["description"]), ""] if one.get("description") else [])]
        lines += ["| Key | Form | Default |", "|---|---|---|"]
        required = set(one.get("required", ()))
        for key, form in one.get("properties", {}).items():
            plain = form.get("default") in (None, "", [], (), {})
            default = "must be given" if key in required else "-" if plain else f"`{form['default']}`"
            lines.append(f"| `{key}` | {_form(form)} | {default} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _first(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def _form(form: Mapping[str, Any]) -> str:
    if "$ref" in form:
        name = form["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in form:
        return " or ".join(_form(one) for one in form["anyOf"] if one.get("type") != "null")
    if form.get("type") == "array":
        return f"list of {_form(form.get('items') or {})}"
    if form.get("type") == "object":
        inner = form.get("additionalProperties")
        return f"mapping to {_form(inner)}" if isinstance(inner, Mapping) and inner else "mapping"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        str(form.get("type")), "anything"
    )


def exit_codes() -> str:
    lines = ["# Exit codes", "", MADE, "", "| Exit | Name | Means |", "|---|---|---|"]
    means = {
        Verdict.PASS: "every check held, or failed as it is known to",
        Verdict.FAIL: "a check did not hold; `chaos trend`: a measure got worse, or verdicts of one seed differ",
        Verdict.ERROR: "the harness could not do its job",
        Verdict.INCONCLUSIVE: "the run does not show it",
        Verdict.DIRTY: "something is left behind after the heal",
    }
    rows = [(v.exit_code, v.value, text) for v, text in means.items()]
    rows += [
        (errors.BadExperiment.exit_code, "wrong use", "a command, an argument or a file is wrong; nothing was touched"),
        (errors.Halted.exit_code, "halted", "somebody has halted all runs of this user; again after `chaos resume`"),
        (130, "interrupted", "everything was healed and ended; the journal is kept"),
    ]
    lines += [f"| {code} | {name} | {text} |" for code, name, text in sorted(rows)]
    worst = ", ".join(v.value for v in Verdict)
    lines += ["", f"Of several verdicts the worst wins, in this order and not by number: {worst}.", ""]
    lines += ["## What the harness raises", "", "```text", *_tree(), "```"]
    return "\n".join(lines) + "\n"


def _tree() -> Iterator[str]:
    """The exception tree, as errors.py draws it."""
    doc = inspect.cleandoc(errors.__doc__ or "")
    yield from (line for line in doc.splitlines() if re.match(r"\s*[*x] ", line))


PAGES: Mapping[str, Callable[[], str]] = {
    "faults.md": faults,
    "checks.md": checks,
    "schema.md": schema_page,
    "exit-codes.md": exit_codes,
}


def current(name: str) -> bool:
    """Whether the page is what the code says."""
    page = PLACE / name
    return page.exists() and page.read_text() == PAGES[name]()


def main() -> None:
    update = "--update" in sys.argv[1:]
    stale = [name for name in PAGES if not current(name)]
    for name in stale:
        if update:
            PLACE.mkdir(exist_ok=True)
            (PLACE / name).write_text(PAGES[name]())
        print(f"docs/reference/{name}: {'written' if update else 'not what the code says'}")
    sys.exit(0 if update else len(stale) > 0)


if __name__ == "__main__":
    main()
