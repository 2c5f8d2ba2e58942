"""Makes docs/reference/ from the code: `make generate`.

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

import msgspec

from chaos import errors, registry, units
from chaos.experiment import stack as stackfile
from chaos.experiment.schema import schema
from chaos.model import Verdict
from chaos.protocols import Checker, Measure
from chaos.protocols.questions import Question
from chaos.protocols.table import Key, Refusal
from chaos.record import findings
from chaos.targets.compose.target import Compose
from chaos.targets.process.target import Process
from tests.reference_metrics import metrics
from tests.wrapping import wrapped

GUIDE = "../guide/experiments.md"
STACK = Path(__file__).parent / "contract" / "stack.yml"
PLACE = Path(__file__).parents[1] / "docs" / "reference"
MADE = "Made from the code by `make generate`; a test compares it."


def faults() -> str:
    lines = ["# Faults", "", MADE, "", "`chaos faults` says which of them this machine can do.", ""]
    lines += ["In an experiment a fault's parameters stand under `with`.", ""]
    names = registry.names("chaos.faults")
    lines += [f"[{name}](#{name})" + (" ·" if name != names[-1] else "") for name in names]
    for name in names:
        cls = registry.load("chaos.faults", name)
        lines += ["", f"## {name}", registry.summary(cls), "", *_parameters(cls)]
        lines += [f"Needs `{cls.needs.name}`: {_where(cls.needs)}."]
    return "\n".join(lines) + "\n"


def _where(needs: Key[Any]) -> str:
    """Which targets have the capability: asked of their tables, nothing is started."""
    stack = stackfile.read(STACK)
    targets = (Compose(stack), Process(stack))
    return " · ".join(one.name for one in targets if not isinstance(one.can.get(needs), Refusal))


def checks() -> str:
    lines = ["# Checks", "", MADE, "", "What each measures is in [Verdicts](../guide/verdicts.md).", ""]
    lines += ["A duration or a share is written as in [Experiments](../guide/experiments.md): `10s`, `95%`.", ""]
    kinds = {"Under `checks:`": "chaos.judge.checkers", "Judged before them, in every run": "chaos.judge.assumptions"}
    for title, package in kinds.items():
        lines += [f"## {title}", ""]
        for name in registry.names(package):
            cls = registry.load(package, name)
            lines += [f"### {name}", registry.summary(cls), "", *_parameters(cls), _least(cls), ""]
    return "\n".join(lines).rstrip() + "\n"


def probes() -> str:
    lines = ["# Probes", "", MADE, "", "What a probe of `probes:` can ask ([Probes](../guide/probes.md)).", ""]
    for name in registry.names("chaos.probes.questions"):
        cls: type[Question[Any]] = registry.load("chaos.probes.questions", name)
        lines += [f"## {name}", registry.summary(cls), "", *_parameters(cls)]
        alone = f" `{cls.bare}` may be written alone: `{name}: …`." if cls.bare else ""
        by = "the prober, a program among the users" if cls.of_users else "the harness"
        lines += [f"Bad when {cls.fails}. Asked by {by}.{alone}"]
        lines += [f"Needs `{cls.needs.name}`: {_where(cls.needs)}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _least(cls: type[Any]) -> str:
    why = f": {cls.fewer}" if cls.fewer else ""
    return f"Least evidence: {cls.least}{why}."


def _parameters(cls: type[Any]) -> Iterator[str]:
    found, kinds = registry.parameters(cls), registry.types(cls)
    if not found:
        return
    yield from ("| Parameter | Form | Default |", "|---|---|---|")
    for name, one in found.items():
        yield f"| `{name}` | {units.form(name, kinds[name])} | {_default(one)} |"
    yield ""


def _default(one: dataclasses.Field[Any]) -> str:
    if one.default is not dataclasses.MISSING:
        return f"`{one.default!r}`" if one.default != "" else "-"
    return "-" if one.default_factory is not dataclasses.MISSING else "must be given"


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
    if "title" in form:
        return str(form["title"])
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


def measures() -> str:
    lines = ["# Measures", "", MADE, "", "What a run measured stands in findings.json under `measures`; the form of"]
    lines += ["the whole file is [findings.schema.json](findings.schema.json). In a name `*` is a journey, a client, a"]
    lines += ["region, a probe or a line of a form. `chaos trend --measure NAME` takes these names.", ""]
    lines += ["| Measure | Unit | Worse |", "|---|---|---|"]
    worse = {"": "-", "more": "more", "less": "less"}
    for leaf in findings.leaves():
        way = "any" if leaf.never else worse[leaf.worse]
        lines.append(f"| `{leaf.name}` | {leaf.unit} | {way} |")
    lines += ["", "## Added", "", "Each stands under `added.NAME.figures`, and in every report by its title.", ""]
    for name in registry.names("chaos.judge.figures"):
        cls: type[Measure] = registry.load("chaos.judge.figures", name)
        lines += [f"### {name}", registry.summary(cls), "", f"Shown as: {cls.title}, {cls.unit}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def findings_schema() -> str:
    """JSON Schema of findings.json, with each figure's unit and which way is worse."""
    found = msgspec.json.schema(findings.Document)
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n"


def exit_codes() -> str:
    lines = ["# Exit codes", "", MADE, "", "| Exit | Name | Means |", "|---|---|---|"]
    means = {
        Verdict.PASS: "every check held, or failed as expected",
        Verdict.FAIL: "a check did not hold; `chaos trend`: a measure got worse, or verdicts of one seed differ",
        Verdict.ERROR: "the harness could not do its job; also an unexpected error, with its traceback in a file",
        Verdict.INCONCLUSIVE: "the run does not show it",
        Verdict.DIRTY: "something is left behind after the heal",
    }
    rows = [(v.exit_code, v.value, text) for v, text in means.items()]
    rows += [
        (errors.BadExperiment.exit_code, "wrong use", "a command, an argument or a file is wrong; nothing was touched"),
        (errors.Halted.exit_code, "halted, in use", "runs are halted, or another command holds the stack"),
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


def experiments_guide() -> str:
    """The guide's page with its table of checks: everything else on it is written by hand."""
    page = (PLACE / GUIDE).read_text()
    rows = ["| Check | Parameters | Fails when |", "|---|---|---|"]
    for name in registry.names("chaos.judge.checkers"):
        cls: type[Checker] = registry.load("chaos.judge.checkers", name)
        own = [f"`{key}`" for key in registry.parameters(cls) if not (cls.probe and key == "name")]
        rows.append(f"| [`{name}`](../reference/checks.md#{name}) | {', '.join(own)} | {cls.fails} |")
    begin, end = "<!-- checks: made by `make generate` -->\n", "<!-- end of checks -->"
    before, _, rest = page.partition(begin)
    return before + begin + "\n".join(rows) + "\n" + end + rest.partition(end)[2]


PAGES: Mapping[str, Callable[[], str]] = {
    "faults.md": faults,
    "checks.md": checks,
    "probes.md": probes,
    "schema.md": schema_page,
    "metrics.md": metrics,
    "measures.md": measures,
    "findings.schema.json": findings_schema,
    "exit-codes.md": exit_codes,
    GUIDE: experiments_guide,
}


def current(name: str) -> bool:
    """Whether the page is what the code says."""
    page = PLACE / name
    return page.exists() and page.read_text() == wrapped(PAGES[name]())


def main() -> None:
    update = "--update" in sys.argv[1:]
    stale = [name for name in PAGES if not current(name)]
    for name in stale:
        if update:
            PLACE.mkdir(exist_ok=True)
            (PLACE / name).write_text(wrapped(PAGES[name]()))
        print(f"docs/reference/{name}: {'written' if update else 'not what the code says'}")
    sys.exit(0 if update else len(stale) > 0)


if __name__ == "__main__":
    main()
