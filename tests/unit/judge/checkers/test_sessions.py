"""Sessions kept and content gone old: literal histories that pass, that convict, and that cannot be judged."""

from __future__ import annotations

from typing import Any

from chaos.judge.checkers.sessions import Sessions
from chaos.judge.checkers.staleness import Staleness
from chaos.judge.measures.sessions import sessions
from chaos.judge.measures.staleness import staleness
from chaos.model import Finding, Op, Verdict
from chaos.record import findings
from tests.messages import Says
from tests.unit.histories import every, journal, op

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
WEB: dict[str, Any] = {"journey": "page", "client": "web"}


def web(*more: Op, users: int = 4) -> list[Op]:
    """Each logged in before, and each on eight pages since."""
    before = [op(-1.0, user=f"w{k}", **WEB) for k in range(users)]
    return [*before, *more, *(o for k in range(users) for o in every(1, 6, 14, user=f"w{k}", **WEB))]


def test_users_who_are_never_thrown_out_are_kept() -> None:
    """A page that times out throws nobody out."""
    j = journal(web(op(2.0, "info", user="w1", **WEB)))
    words = "4 of 4 users stayed logged in (100.00%, 95% interval 51.01% to 100.00%), wanted at least 100%"
    assert Sessions("web", 1.0).check(j) == Finding("sessions web", PASS, words)


def test_one_user_thrown_out_convicts_with_the_first_line_that_says_so() -> None:
    """By its status, or by the note of a users' file that logged in again."""
    again = op(3.0, user="w2", error="thrown out, logged in again", **WEB)
    out = [op(2.0, "fail", user="w1", status=401, **WEB), again]
    found = Sessions("web", 0.75).check(journal(web(*out, out[0])))
    words = "2 of 4 users stayed logged in (50.00%, 95% interval 15.00% to 85.00%), wanted at least 75%"
    assert found == Finding("sessions web", FAIL, words, ("ops:5", "ops:6"))


def test_who_was_not_logged_in_before_cannot_be_thrown_out() -> None:
    """A stranger's 401 convicts nobody, and without users nothing is known."""
    stranger = op(2.0, "fail", user="new", status=401, **WEB)
    assert Sessions("web", 1.0).check(journal(web(stranger))).verdict is PASS
    assert Sessions("web", 1.0).check(journal([stranger])).verdict is INCONCLUSIVE
    assert Sessions("app", 1.0).check(journal(web())).verdict is INCONCLUSIVE


def test_log_outs_and_log_ins_are_counted_by_client() -> None:
    """Thrown out, thrown out a moment after the log-in, refused as too many."""
    ops = web(
        op(2.0, "fail", user="w1", status=401, error="thrown out", **WEB),
        op(3.0, "fail", user="w1", status=401, error="logged in, thrown out a moment later", **WEB),
        op(4.0, "fail", user="w1", status=429, error="logged out, rate limit exceeded", **WEB),
        op(5.0, user="w1", error="logged in", **WEB),
    )
    assert sessions(journal(ops)) == {"web": findings.Sessions(4, 0.75, 2, 2, 1, 1)}


def refreshes(old: int, of: int = 100) -> list[Op]:
    return [op(k / of, journey="refresh", age=9.0 if k < old else 0.5) for k in range(of)]


def test_few_old_refreshes_pass_and_many_convict(says: Says) -> None:
    """At most one in a hundred older than two seconds of the run."""
    check = Staleness("refresh", older_than=2.0, at_most=0.01)
    assert check.check(journal(refreshes(1))).verdict is PASS
    found = check.check(journal(refreshes(2), scale=3600.0))
    assert (found.check, found.verdict, found.evidence) == ("staleness refresh", FAIL, ("ops:1", "ops:2"))
    says(found.summary)


def test_refreshes_that_do_not_say_how_old_they_are_cannot_be_judged() -> None:
    """Neither can those before the fault."""
    check = Staleness("refresh", older_than=2.0, at_most=0.01)
    assert check.check(journal(every(0.5, 0, 9, journey="refresh"))).verdict is INCONCLUSIVE
    assert check.check(journal([op(-3.0, journey="refresh", age=9.0)])).verdict is INCONCLUSIVE


def test_staleness_has_a_median_and_a_worst_by_phase() -> None:
    """Of those that say it; journeys that never do are absent."""
    ops = [op(-3.0, journey="refresh", age=0.2), *refreshes(1, 3), op(1.0)]
    before, during = findings.Ages(0.2, 0.2, 1), findings.Ages(0.5, 9.0, 3)
    assert staleness(journal(ops)) == {"refresh": findings.Staleness(before, during)}
