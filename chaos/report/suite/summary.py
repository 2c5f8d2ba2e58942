"""summary.md: a suite on one page, in Markdown for build servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.model import Verdict
from chaos.record.history import words
from chaos.report.suite.outcome import Outcome, whole, worst
from chaos.safe import code, markdown
from chaos.units import in_words

SIGNS = {
    Verdict.PASS: "✅", Verdict.INCONCLUSIVE: "❔", Verdict.FAIL: "❌", Verdict.ERROR: "💥", Verdict.DIRTY: "☣️",
}  # fmt: skip


def render(suite: str, about: str, outcomes: Sequence[Outcome]) -> str:
    verdict = worst(outcomes)
    took = in_words(sum(o.seconds for o in outcomes))
    passed = sum(o.verdict is Verdict.PASS for o in outcomes)
    lines = [f"## chaos {markdown(suite)}: {SIGNS[verdict]} {whole(outcomes)}", ""]
    lines += [markdown(about), ""] if about else []
    lines += [f"{passed} of {len(outcomes)} runs passed; {took} in all.", ""]
    lines += ["| Run | Verdict | Took | What users lost | Files |", "|---|---|---|---|---|"]
    lines += [_row(o) for o in outcomes]
    for o in outcomes:
        if said := list(_said(o)):
            lines += ["", f"### {markdown(o.play.title)}", "", *said]
    return "\n".join(lines) + "\n"


def _row(o: Outcome) -> str:
    lost = "; ".join(words(o.figures)) or ("nothing" if o.document else "-")
    took = in_words(o.seconds) if o.seconds else "-"
    run = code(o.document.run, cell=True) if o.document and o.document.run else "-"
    cells = [markdown(o.play.title), f"{SIGNS[o.verdict]} {o.badge}", took, markdown(lost), run]
    return f"| {' | '.join(cells)} |"


def _said(o: Outcome) -> Iterator[str]:
    """A line for each problem, including expected failures, because they are not visible in a PASS."""
    if o.why:
        yield f"- **{o.verdict.value}** {markdown(o.why)}"
    for finding in o.findings:
        if finding.verdict != Verdict.PASS.value:
            gap = finding.xfail
            how = "XFAIL" if gap and finding.verdict == Verdict.FAIL.value else finding.verdict
            words_of = f" (expected failure: {markdown(gap)})" if gap else ""
            yield f"- **{how}** {markdown(finding.check)}: {markdown(finding.summary)}{words_of}"
