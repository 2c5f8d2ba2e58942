"""summary.md: a suite on one page, in the Markdown that build servers show beside a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.history import flatten, words
from chaos.model import Verdict
from chaos.suite.outcome import Outcome, worst
from chaos.units import in_words

SIGNS = {
    Verdict.PASS: "✅", Verdict.INCONCLUSIVE: "❔", Verdict.FAIL: "❌", Verdict.ERROR: "💥", Verdict.DIRTY: "☣️",
}  # fmt: skip


def render(suite: str, about: str, outcomes: Sequence[Outcome]) -> str:
    verdict = worst(outcomes)
    took = in_words(sum(o.seconds for o in outcomes))
    passed = sum(o.verdict is Verdict.PASS for o in outcomes)
    lines = [f"## chaos {suite}: {SIGNS[verdict]} {verdict.value}", ""]
    lines += [about, ""] if about else []
    lines += [f"{passed} of {len(outcomes)} runs passed; {took} in all.", ""]
    lines += ["| Run | Verdict | Took | What users lost | Files |", "|---|---|---|---|---|"]
    lines += [_row(o) for o in outcomes]
    for o in outcomes:
        if said := list(_said(o)):
            lines += ["", f"### {_cell(o.play.title)}", "", *said]
    return "\n".join(lines) + "\n"


def _row(o: Outcome) -> str:
    lost = "; ".join(words(dict(flatten(o.measures)))) or ("nothing" if o.document else "-")
    took = in_words(o.seconds) if o.seconds else "-"
    run = f"`{o.document['run']}`" if o.document.get("run") else "-"
    cells = [_cell(o.play.title), f"{SIGNS[o.verdict]} {o.verdict.value}", took, _cell(lost), run]
    return f"| {' | '.join(cells)} |"


def _said(o: Outcome) -> Iterator[str]:
    """What is not as it should be, in a line each; known gaps too, since they are why a run is green."""
    if o.why:
        yield f"- **{o.verdict.value}** {_cell(o.why)}"
    for finding in o.findings:
        if finding["verdict"] != Verdict.PASS.value:
            gap = finding["known_gap"]
            how = "KNOWN GAP" if gap and finding["verdict"] == Verdict.FAIL.value else finding["verdict"]
            words_of = f" (known gap: {_cell(gap)})" if gap else ""
            yield f"- **{how}** {_cell(finding['check'])}: {_cell(finding['summary'])}{words_of}"


def _cell(text: str) -> str:
    """On one line, and with no sign that a table or a tag would be made of."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
