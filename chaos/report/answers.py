"""The three questions that a report answers first: who was affected, what was lost, how long it took."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.judge.judgement import Judgement
from chaos.record.journal import Journal
from chaos.report.words import count, incident_time, most_used, percent
from chaos.units import in_words

FEW = 4  # number of journeys that are listed with their time


@dataclass(frozen=True)
class Answer:
    question: str
    answer: str
    more: tuple[str, ...]
    bad: bool


def answers(journal: Journal, judgement: Judgement) -> tuple[Answer, ...]:
    if not journal.plan.load.present:
        lost = Answer("What was lost?", "Not checked", ("The experiment has no load, so nothing was written.",), False)
        return _away(judgement), lost, _away_for(journal, judgement)
    return _hurt(judgement), _lost(journal, judgement), _long(journal, judgement)


def _away(judgement: Judgement) -> Answer:
    m, question = judgement.measures, "What was hurt?"
    if not m.probe_rto_s:
        return Answer(question, "Unknown", ("No probe has an answer since the first fault.",), True)
    away = [name for name, rto in m.probe_rto_s.items() if rto != 0.0]
    if not away:
        return Answer(question, "Nothing", (f"None of {count(len(m.probe_rto_s), 'probe')} had a bad answer.",), False)
    more = [f"Away: {', '.join(away)}."]
    spared = [name for name in m.probe_rto_s if name not in away]
    more += [f"Not affected: {', '.join(spared)}."] if spared else []
    return Answer(question, f"{len(away)} of {count(len(m.probe_rto_s), 'probe')}", tuple(more), True)


def _away_for(journal: Journal, judgement: Judgement) -> Answer:
    found, scale, question = judgement.measures.probe_rto_s, journal.plan.scale, "How long?"
    away = {name: rto for name, rto in found.items() if rto != 0.0}
    if not found:
        return Answer(question, "Unknown", ("No probe has an answer since the first fault.",), True)
    if not away:
        return Answer(question, "Not at all", ("No probe was away.",), False)
    said = ", ".join(f"{name} {_time(rto, scale)}" for name, rto in away.items())
    if never := [name for name, rto in away.items() if rto is None]:
        return Answer(question, f"{', '.join(never)} never came back", (f"{said}.",), True)
    seconds, longest = max((rto or 0.0, name) for name, rto in away.items())
    return Answer(question, f"Up to {incident_time(seconds, scale)} ({longest})", (f"{said}.",), True)


def _hurt(judgement: Judgement) -> Answer:
    m, question = judgement.measures, "Who was hurt?"
    used = [j for j in most_used(judgement) if j in m.rto_s]
    hurt = [j for j in used if j in m.outage]
    if not used:
        return Answer(question, "Unknown", ("No operation was recorded since the first fault.",), True)
    if not hurt:
        words = f"None of {count(len(used), 'journey')} had an operation that failed."
        return Answer(question, "No users", (words,), False)
    failed = sum(o.failed for o in m.outage.values())
    since = sum(m.availability[j].counts.since for j in used)
    more = [f"{failed:,} of {since:,} operations since the first fault failed ({percent(failed / since)})."]
    spared = [j for j in used if j not in hurt]
    more.append(f"Hurt: {', '.join(hurt)}.")
    more += [f"Not affected: {', '.join(spared)}."] if spared else []
    return Answer(question, f"Users of {len(hurt)} of {count(len(used), 'journey')}", tuple(more), True)


def _lost(journal: Journal, judgement: Judgement) -> Answer:
    d, question = judgement.measures.delivery, "What was lost?"
    if d is None and journal.ops and not journal.writes:
        return Answer(question, "Not checked", ("No operation of this load is marked as a write.",), False)
    if d is None:
        return Answer(question, "Unknown", ("Nothing was read back.",), True)
    if not d.acked and not d.ghost:
        return Answer(question, "Unknown", ("No write was acknowledged, so none could be lost.",), True)
    more = [f"Phantom (refused but present): {d.ghost:,}."] if d.ghost else []
    more += [f"Duplicated: {d.duplicated:,}."] if d.duplicated else []
    more += [f"Could not be read back: {d.unread:,}."] if d.unread else []
    if d.lost:
        rpo = [r for r in judgement.measures.rpo_s.values() if r is not None]
        more.insert(0, f"The oldest was acknowledged {max(rpo, default=0.0):.2f} s before the fault.")
        return Answer(question, f"{d.lost:,} of {d.acked:,} acknowledged writes", tuple(more), True)
    more.append(f"{d.acked:,} writes were acknowledged; all that could be read back are present.")
    return Answer(question, "No acknowledged write", tuple(more), bool(d.ghost or d.duplicated or d.unread))


def _long(journal: Journal, judgement: Judgement) -> Answer:
    m, scale, question = judgement.measures, journal.plan.scale, "How long?"
    away = {j: m.rto_s[j] for j in most_used(judgement) if j in m.outage}
    if not m.rto_s:
        return Answer(question, "Unknown", ("No operation was recorded since the first fault.",), True)
    if not away:
        return Answer(question, "Not at all", ("No journey was down.",), False)
    unit = "" if scale == 1 else " Incident time."
    few = ", ".join(f"{j} {_time(s, scale)}" for j, s in list(away.items())[:FEW])
    others = f", and {len(away) - FEW} more below" if len(away) > FEW else ""
    more = (f"{few[:1].upper()}{few[1:]}{others}.{unit}",)
    if never := [j for j, s in away.items() if s is None]:
        return Answer(question, f"{', '.join(never)} never came back", more, True)
    seconds, longest = max((s or 0.0, j) for j, s in away.items())
    return Answer(question, f"Up to {incident_time(seconds, scale)} ({longest})", more, True)


def _time(seconds: float | None, scale: float) -> str:
    return "never back" if seconds is None else in_words(seconds * scale)
