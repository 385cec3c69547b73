"""Ledger and alarms of a SIMULATED year, without database: what they say is what was simulated."""

from __future__ import annotations

from datetime import datetime

from bench.year.sky import BEGIN, CYCLE, DAY, FAILS, regions_of, sky
from bench.year.truth import TOLERANCE, Track, Truth, truths
from detectors.cycles import learn
from detectors.ledger import KnownLook, Reading, ledger

DAYS = 365
#: One from the first day on, and one that is added when a satellite has just come back.
REGIONS = ("r001", "r006")
#: Days from one ledger to the next.
EVERY = 6


def known(truth: Truth, track: Track) -> list[KnownLook]:
    def state(broken: bool, sensed: datetime) -> str:
        if sensed < truth.region.watch_from:
            return "baseline"
        return "failed" if broken else "processed"

    return [
        KnownLook(one.sensed, one.published, state(one.broken, one.sensed))
        for products in track.products.values()
        for one in truth.came(products)
        if one.published is not None
    ]


def test_a_year_of_passes_is_accounted_for_and_told_once() -> None:
    watched = [one for one in regions_of(10, DAYS) if one.id in REGIONS]
    said = []
    missing = 0
    year = truths(watched, sky(DAYS))
    for day in range(DAYS):
        now = BEGIN + day * DAY
        for truth in year.values():
            if now < truth.region.watch_from:
                continue
            truth.poll(now, answered=True)
            lines: dict[tuple[str, int], str] = {}
            for track in truth.tracks.values():
                looks = known(truth, track)
                cycle = learn([(one.sensed_at, one.published_at) for one in looks])
                missed = None if cycle is None else cycle.missed(now, TOLERANCE)
                if missed is not None and missed[0] >= truth.region.watch_from:
                    key = ("silence", track.name, track.number(missed[0]))
                    said.append((truth.region.id, key))
                    assert key in truth.told, "a false alarm"
                if day % EVERY:
                    continue
                reading = Reading(now, TOLERANCE, now)
                for line in ledger(track.name, looks, truth.region.watch_from, reading):
                    number = track.number(line.expected_at)
                    assert abs(line.expected_at - track.planned(number)) < CYCLE / 100
                    assert (track.name, number) not in lines, "twice"
                    lines[track.name, number] = line.outcome.value
            if day % EVERY == 0:
                assert lines == truth.ledger()
                missing = max(missing, sum(one == "missing" for one in lines.values()))
    due = {(name, key) for name, truth in year.items() for key in truth.told if key[0] == "silence"}
    assert set(said) == due
    assert len(due) > 4
    assert missing >= (FAILS[1] - FAILS[0]) // CYCLE
