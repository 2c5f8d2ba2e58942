"""Simulates users as counts: they lose their connection, reconnect, log in and send operations to limited capacity.

Counts are drawn tick by tick (binomial and Poisson) for all scenes at once. A user without a connection retries after a
wait, which doubles each time, and some users have to log in again. An operation that finds no capacity is retried.
After the last try, its user regards the connection as lost. Capacity is given to requests at random: there are no
priorities, and no load is shed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaos.incidents.simulation.model.scene import Scene

TICK = 10.0  # seconds
STAGES = 8  # number of distinct waits before a retry; later ones are as long as the last
NEWTON = 6  # Newton steps in `room_found`

Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
Steps = Sequence[tuple[float, float]]  # hour, capacity from then on as a multiple of the normal load


@dataclass(frozen=True)
class Curve:
    """Values for each whole hour, over the hour that ends there; `connected` is the value at its end.

    The first value is the normal state.
    """

    connected: Sequence[float]  # share of users
    served: Sequence[float]  # answered operations, as a share of those that all users would send
    failed: Sequence[float]  # operations given up after all tries, as a share of those that connected users sent
    attempts: Sequence[float]  # attempts to connect per second
    capacity: Sequence[float]  # multiple of the normal load
    peak_attempts: float  # per second, in the worst tick
    peak_load: float  # operations and attempts to connect in the worst tick, as a multiple of the normal load
    well: float | None  # hour from which 99 % of what users want is served; None: not by the end


def crowd(scenes: Sequence[tuple[Scene, Steps]], seed: int, tick_s: float = TICK) -> list[Curve]:
    """Return the curve of each scene with its capacity steps. `tick_s` must divide an hour."""
    dice = np.random.default_rng([seed, 2])
    first = scenes[0][0]
    ticks, hourly = int(first.hours * 3600 / tick_s), int(3600 / tick_s)
    assert all(s.hours == first.hours for s, _ in scenes)
    users = np.array([s.users for s, _ in scenes], dtype=np.int64)
    rate = np.array([s.ops_per_user_hour / 3600 for s, _ in scenes])
    cost, tries = np.array([s.reconnect_cost for s, _ in scenes]), np.array([s.tries for s, _ in scenes])
    ready = np.stack([_readiness(s, tick_s) for s, _ in scenes])
    room = np.stack([_steps(points, ticks, tick_s) for _, points in scenes]) * (users * rate * tick_s)[:, None]
    waiting: Counts = np.zeros((len(scenes), STAGES), dtype=np.int64)
    wanted = users * rate * tick_s
    sums = np.zeros((4, len(scenes)))
    rows = [np.concatenate([np.ones((1, len(scenes))), np.ones((1, len(scenes))), np.zeros((3, len(scenes)))])]
    peaks, last_bad = np.zeros((2, len(scenes))), np.full(len(scenes), -1)
    for tick in range(ticks):
        connected = users - waiting.sum(axis=1)
        asked = dice.poisson(connected * rate * tick_s)
        trying = dice.binomial(waiting, ready) if waiting.any() else waiting
        logins = trying.sum(axis=1)
        found = room_found(asked, logins * cost, tries, room[:, tick])
        entered = dice.binomial(trying, found[:, None])
        given_up = dice.binomial(asked, (1 - found) ** tries)
        leaving = np.minimum(given_up, connected)  # a user can lose a connection only once
        refused = trying - entered
        waiting = waiting - trying
        waiting[:, 1:] += refused[:, :-1]
        waiting[:, -1] += refused[:, -1]
        waiting[:, 0] += leaving
        served = asked - given_up
        sums += np.array([served, given_up, logins, asked])
        peaks = np.maximum(peaks, np.array([logins / tick_s, (asked + logins * cost) / wanted]))
        bad = served < 0.99 * wanted - 4 * np.sqrt(wanted)  # below 99 % by more than random variation explains
        last_bad[bad] = tick
        if (tick + 1) % hourly == 0:
            rows.append(_hour(users, waiting, sums, wanted * hourly))
            sums = np.zeros((4, len(scenes)))
    return [
        _curve([row[:, k] for row in rows], scenes[k][1], peaks[:, k], int(last_bad[k]), tick_s)
        for k in range(len(scenes))
    ]


def _hour(users: Counts, waiting: Counts, sums: Shares, wanted: Shares) -> Shares:
    """Return rows with connected, served, failed, attempts per second, and asked."""
    served, given_up, logins, asked = sums
    failed = np.divide(given_up, asked, out=np.zeros_like(given_up), where=asked > 0)
    return np.stack([1 - waiting.sum(axis=1) / users, np.minimum(served / wanted, 1.0), failed, logins / 3600, asked])


def _curve(rows: Sequence[Shares], points: Steps, peaks: Shares, last_bad: int, tick_s: float) -> Curve:
    hours = np.arange(len(rows)) * int(3600 / tick_s)
    capacity = _steps(points, int(hours[-1]) + 1, tick_s)[hours]
    columns = [[float(row[k]) for row in rows] for k in range(4)]
    well = None if last_bad >= hours[-1] - 1 else (last_bad + 1) * tick_s / 3600
    return Curve(
        columns[0], columns[1], columns[2], columns[3], [float(c) for c in capacity], float(peaks[0]), float(peaks[1]),
        well,
    )  # fmt: skip


def _readiness(scene: Scene, tick_s: float) -> Shares:
    """Return the share of waiting users that retries in one tick, for the first wait, the second, and so on."""
    waits = [min(scene.retry_s * 2.0**k, scene.retry_most_s) for k in range(STAGES)]
    return np.array([1 - math.exp(-tick_s / w) for w in waits])


def _steps(points: Steps, ticks: int, tick_s: float) -> Shares:
    """Return the mean capacity over each tick, so that an outage shorter than a tick counts for its own length."""
    edges = np.arange(ticks + 1) * tick_s
    times = np.append([t * 3600 for t, _ in points], edges[-1] + tick_s)
    area = np.concatenate([[0.0], np.cumsum(np.diff(times) * np.array([v for _, v in points]))])
    mean: Shares = np.diff(np.interp(edges, times, area)) / tick_s
    return mean


def room_found(asked: Counts, work: Shares, tries: Counts, room: Shares) -> Shares:
    """Return the share x of requests that find capacity: asked·(1-(1-x)^tries) + work·x = room; 1 if all do.

    An operation is retried until it was tried `tries` times, so less capacity causes more requests.
    """
    x = np.ones(len(asked))
    short = asked + work > room
    if not short.any():
        return x
    a, w, n, r = asked[short].astype(float), work[short], tries[short], room[short]
    y = np.zeros(len(a))  # start from below: the left side is concave, so no step overshoots
    for _ in range(NEWTON):
        miss = 1 - y
        y = np.minimum(y + (r - a * (1 - miss**n) - w * y) / np.maximum(a * n * miss ** (n - 1) + w, 1e-12), 1.0)
    x[short] = np.clip(y, 0.0, 1.0)
    return x
