"""Windows of the year and cron lines: what is taken, what is refused, and that Prefect agrees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon

from detectors.types import WatchedRegion
from detectors.windows import bounds, inside
from flows import attention
from flows.schedules import parse_cron, polls_before, words

REGION = WatchedRegion("slope", "Slope", MultiPolygon(), ("local/a",))


@pytest.mark.parametrize(
    ("window", "days"),
    [
        ("05/10", ("05-01", "10-31")), ("02", ("02-01", "02-29")), ("11/02", ("11-01", "02-29")),
        ("04-15/05-31", ("04-15", "05-31")), ("02-29", ("02-29", "02-29")),
    ],
)  # fmt: skip
def test_bounds(window, days) -> None:
    assert bounds(window) == days


@pytest.mark.parametrize(
    "window", ["", "5/10", "13", "00/03", "02-30", "04-15/05", "04/05-31", "may/june", "05/10/12"]
)
def test_what_is_no_window(window) -> None:
    with pytest.raises(ValueError, match="is no time of the year: write months"):
        bounds(window)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
    st.integers(1, 12), st.integers(1, 12),
)  # fmt: skip
def test_a_window_and_what_is_left_of_the_year_share_no_moment(naive, first, last) -> None:
    moment = naive.replace(tzinfo=UTC)
    window = f"{first:02}/{last:02}"
    months = [(first - 1 + step) % 12 + 1 for step in range((last - first) % 12 + 1)]
    assert inside([window], moment) is (moment.month in months)


def test_without_a_window_it_is_always_time_and_several_add_up() -> None:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    assert inside([], moment)
    assert not inside(["11/02"], moment)
    assert inside(["11/02", "07-01"], moment)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 6 * *", "five fields"), ("0 6 * * * Europe/Oslo x", "five fields"),
        ("0 25 * * *", "is no cron line"), ("@daily", "five fields"),
        ("0 6 L * *", "digits and"), ("0 6 * * mon", "digits and"),
        ("0 6 13 * 5", "the day of the month or of the week"), ("0 6 30 2 *", "cron line|never"),
        ("0 6 * * * Europe/Nowhere", "no IANA time zone"), ("0 6 * * * ../etc", "no IANA"),
    ],
)  # fmt: skip
def test_what_is_no_cron_line(line, said) -> None:
    with pytest.raises(ValueError, match=said):
        parse_cron(line)


@st.composite
def cron_lines(draw: st.DrawFn) -> str:
    def field(low: int, high: int) -> str:
        pair = sorted(draw(st.tuples(st.integers(low, high), st.integers(low, high))))
        step = draw(st.integers(1, high))
        return draw(
            st.sampled_from(
                ["*", f"*/{step}", str(pair[0]), f"{pair[0]},{pair[1]}",
                 f"{pair[0]}-{pair[1]}" if pair[0] < pair[1] else "*"]
            )
        )  # fmt: skip

    day = draw(st.sampled_from([(field(1, 28), "*"), ("*", field(0, 6)), ("*", "*")]))
    return f"{field(0, 59)} {field(0, 23)} {day[0]} {field(1, 12)} {day[1]}"


@given(cron_lines())
def test_prefect_plans_what_we_count_by(line) -> None:
    """Overdue is counted by ``cronsim``; the runs are planned by what Prefect brings."""
    from cronsim import CronSim
    from prefect._vendor.croniter import croniter

    fields, zone = parse_cron(line)
    assert zone == "UTC"
    start = datetime(2026, 3, 20, 5, 7, tzinfo=UTC)
    ours, theirs = CronSim(fields, start), croniter(fields, start)
    assert [next(ours) for _ in range(4)] == [theirs.get_next(datetime) for _ in range(4)]


def test_three_polls_ago() -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert polls_before(REGION, now, 3) == now - timedelta(minutes=90)
    daily = WatchedRegion(
        "slope", "Slope", MultiPolygon(), ("local/a",), poll_cron="0 6 * * * Europe/Oslo"
    )
    assert polls_before(daily, now, 3) == datetime(2026, 6, 29, 4, tzinfo=UTC)
    assert words(daily, "30 minutes") == "at 0 6 * * * Europe/Oslo"


def test_a_region_out_of_season_is_not_overdue() -> None:
    winter = WatchedRegion("slope", "Slope", MultiPolygon(), ("local/a",), windows=("11/02",))
    assert attention.overdue(winter, [], datetime(2026, 1, 5, tzinfo=UTC))
    assert not attention.overdue(winter, [], datetime(2026, 7, 5, tzinfo=UTC))
    # The first polls of the season have their time.
    assert not attention.overdue(winter, [], datetime(2026, 11, 1, 0, 30, tzinfo=UTC))
    assert words(winter, "30 minutes") == "every 30 minutes, in 11/02 only"
