"""What an address asks for: it survives being shared, and nonsense gets an answer of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.types import State, Tier
from flows.web.accounts import hashed, verify
from flows.web.asking import MAP_NAMES, NAMES, Filter, read_box, read_filter
from flows.web.guards import Failures, Problem

sizes = st.one_of(st.none(), st.integers(0, 1000).map(lambda n: n / 8))
days = st.one_of(st.none(), st.dates(date(1970, 1, 1), date(2200, 12, 31)))
filters = st.builds(
    Filter,
    region=st.sampled_from(["", "slope", "big-sur-2"]),
    states=st.sets(st.sampled_from(State)).map(lambda f: tuple(one for one in State if one in f)),
    tiers=st.sets(st.sampled_from(Tier)).map(lambda f: tuple(one for one in Tier if one in f)),
    first=days, last=days, least=sizes, most=sizes, page=st.integers(1, 20_000),
).filter(
    lambda f: not (f.first and f.last and f.first > f.last)
    and not (f.least is not None and f.most is not None and f.least > f.most)
)  # fmt: skip


@given(filters)
def test_a_shared_address_asks_for_the_same(wanted: Filter) -> None:
    assert read_filter(parse_qsl(wanted.query())) == wanted


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*sorted(MAP_NAMES), "x"]),
            st.one_of(st.text(max_size=12), st.sampled_from(["nan", "inf", "-1", "1e999", "0"])),
        ),
        max_size=4,
    )
)
def test_nonsense_is_named_or_read(pairs: list[tuple[str, str]]) -> None:
    for problem in (refused(read_filter, pairs, MAP_NAMES), refused(read_box, pairs)):
        assert problem is None or (problem.status == 400 and problem.title and problem.advice)


def refused(read: Callable[..., object], *given: object) -> Problem | None:
    """Return the mistake that reading names, None where it reads."""
    try:
        read(*given)
    except Problem as problem:
        return problem
    return None


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("state=melted", "There is no state 'melted'"),
        ("colour=red", "The page knows no filter 'colour'"),
        ("from=yesterday", "'yesterday' is no date"),
        ("from=2024-02-01&to=2024-01-01", "ends before it begins"),
        ("least=nan", "'nan' is no size"),
        ("least=2&most=1", "above the largest"),
        ("page=0", "'0' is no page"),
        ("region=../etc", "no region's id"),
        ("region=a&region=b", "stands there twice"),
    ],
)
def test_each_mistake_has_its_words(query: str, title: str) -> None:
    with pytest.raises(Problem, match=title):
        read_filter(parse_qsl(query), NAMES)


@pytest.mark.parametrize("box", ["", "1,2,3", "5,5,5,6", "-181,0,1,1", "0,0,nan,1", "0,0,1,91"])
def test_a_box_that_is_none_is_refused(box: str) -> None:
    with pytest.raises(Problem, match="no part of the map"):
        read_box([("bbox", box)])


def test_passwords_are_kept_as_salted_hashes() -> None:
    kept = hashed("grünes Tal 12345")
    assert "Tal" not in kept
    assert kept != hashed("grünes Tal 12345")
    assert verify("grünes Tal 12345", kept)
    assert not verify("grünes Tal 12346", kept)


def test_failures_are_counted_and_the_oldest_somebody_forgotten() -> None:
    failures = Failures(most=2, within_s=60, remembered=3)
    failures.add("a")
    assert failures.wait_s("a") == 0
    failures.add("a")
    assert 0 < failures.wait_s("a") <= 61
    for other in "bcd":
        failures.add(other)
    assert failures.wait_s("a") == 0
