"""Stages of a work: each without those within it, generators worked off inside their own."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from bench.stages import Stages, peak_mib, spent


def test_stages_sum_to_the_whole() -> None:
    stages = Stages()
    order: list[str] = []

    def inner() -> int:
        order.append("inner")
        return sum(range(50_000))

    def outer() -> Iterator[int]:
        yield place.inner()
        order.append("between")
        yield place.inner()

    place = SimpleNamespace(inner=inner, outer=outer)
    stages.watch(place, "inner", "within")
    stages.watch(place, "outer", "around")
    begun = spent()
    with stages.stage("all"):
        assert place.outer() == [inner(), inner()]
    whole = [now - then for now, then in zip(spent(), begun, strict=True)]
    assert order[:3] == ["inner", "between", "inner"]
    assert set(stages.taken) == {"all", "around", "within"}
    for number in (0, 1):
        parts = [taken[number] for taken in stages.taken.values()]
        assert all(part >= 0 for part in parts)
        assert sum(parts) <= whole[number]


def test_a_stage_that_fails_is_counted() -> None:
    stages = Stages()
    with pytest.raises(ValueError, match="broken"), stages.stage("all"), stages.stage("part"):
        raise ValueError("broken")
    assert set(stages.told()) == {"all", "part"}
    assert peak_mib() > 0
