"""The offset of Sentinel-2 is taken once: from baseline and raster metadata, never by date."""

from __future__ import annotations

import pytest

from detectors.errors import UnusableItem
from detectors.reflectance import (
    VISIBLE,
    has_offset,
    parse_baseline,
    plausible_offset,
    scaling,
    settle,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("04.00", (4, 0)), ("4.0", (4, 0)), ("N0400", (4, 0)), ("0509", (5, 9)),
        ("N05.11", (5, 11)), ("02.12", (2, 12)), ("99.99", (99, 99)), (" 05.00 ", (5, 0)),
        ("", None), (None, None), ("S2MSI2A", None), ("4", None), ("N4", None),
    ],
)  # fmt: skip
def test_baselines_are_written_in_many_ways(text, expected) -> None:
    assert parse_baseline(text) == expected


def test_which_baselines_carry_an_offset() -> None:
    assert [has_offset(one) for one in ("03.01", "04.00", "99.99", None)] == [
        False, True, True, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("baseline", "raster_offset", "applied", "expected"),
    [
        # The asset's own metadata, new scenes and old ones.
        ("05.11", -0.1, None, -0.1),
        ("05.00", -0.1, None, -0.1),
        ("02.12", 0.0, None, 0.0),
        (None, -0.1, None, -0.1),
        (None, 0.0, None, 0.0),
        # No raster metadata: the baseline decides.
        ("02.12", None, None, 0.0),
        ("03.01", None, None, 0.0),
        ("04.00", None, None, -0.1),
        ("N0510", None, None, -0.1),
        ("99.99", None, None, -0.1),
        # A producer who took it out may leave it standing in the metadata: never twice.
        ("05.11", -0.1, True, 0.0),
        ("05.11", None, True, 0.0),
        ("05.11", 0.0, True, 0.0),
        ("05.11", 0.0, None, 0.0),
        (None, None, True, 0.0),
        # The flag is wrong more often when it denies; the pixels tell (the reader looks).
        ("05.11", -0.1, False, -0.1),
        ("05.11", None, False, -0.1),
        ("02.14", 0.0, False, 0.0),
        ("02.14", None, False, 0.0),
        # Metadata that contradict the baseline count while they are within reason...
        ("02.12", -0.1, None, -0.1),
        ("05.11", 0.0, False, 0.0),
        # ... in whichever unit, and not beyond.
        ("05.11", -1000.0, None, -0.1),
        ("04.00", -0.7, None, -0.1),
        ("04.00", 0.1, None, -0.1),
        ("02.12", float("nan"), None, 0.0),
    ],
)
def test_offset_is_decided(baseline, raster_offset, applied, expected) -> None:
    found = scaling(baseline, 0.0001, raster_offset, applied=applied)
    assert found.offset == expected
    assert found.scale == 0.0001
    assert found.reason


@pytest.mark.parametrize(
    ("baseline", "raster_scale", "raster_offset", "reason"),
    [
        (None, None, None, "no processing baseline, and no raster offset"),
        ("nonsense", None, None, "no processing baseline"),
        (None, None, -0.7, "no processing baseline, and a raster offset of -0.7"),
        (None, None, float("nan"), "a raster offset of nan"),
        ("05.11", 0.0, -0.1, "scale 0 is not usable"),
        ("05.11", -1e-4, -0.1, "not usable"),
        ("05.11", float("nan"), -0.1, "not usable"),
    ],
)
def test_what_nobody_can_know_is_refused(baseline, raster_scale, raster_offset, reason) -> None:
    with pytest.raises(UnusableItem, match=reason):
        scaling(baseline, raster_scale, raster_offset, applied=None)


def test_scale_of_the_mission_stands_in() -> None:
    assert scaling("02.12", None, None, applied=None).scale == 1e-4


def test_the_reason_names_what_was_overruled() -> None:
    assert "against the -0.1" in scaling("05.11", 1e-4, -0.1, applied=True).reason
    assert "against baseline 05.11" in scaling("05.11", 1e-4, 0.0, applied=None).reason
    assert "against" not in scaling("05.11", 1e-4, -0.1, applied=False).reason


# --- the pixels


def test_dark_ground_tells_of_two_offsets() -> None:
    assert plausible_offset(1_150, 1e-4, -0.1)
    assert plausible_offset(850, 1e-4, -0.1)  # shadow that was overdone
    assert not plausible_offset(250, 1e-4, -0.1)
    assert plausible_offset(250, 1e-4, 0.0)


def every(value: float) -> dict[str, float]:
    return dict.fromkeys(VISIBLE, value)


def settled(dark: float, green: float | None, offset: float, baseline: str | None) -> float:
    found = settle(
        every(dark), {} if green is None else every(green), every(1e-4), every(offset), baseline
    )
    (one,) = set(found.values())
    return one


@pytest.mark.parametrize(
    ("dark", "green", "stated", "baseline", "expected"),
    [
        (1_150, 1_200, -0.1, "05.11", -0.1),
        (250, 300, -0.1, "05.11", 0.0),  # the flag denied what had been done
        (250, 300, 0.0, "05.11", 0.0),
        (1_150, 1_200, 0.0, "05.11", -0.1),  # the flag claimed what had not been done
        (1_150, 1_200, 0.0, "02.12", 0.0),  # haze: there was no offset to take
        (1_150, 1_200, 0.0, None, 0.0),
        (2_500, None, 0.0, "05.11", 0.0),  # desert: both are possible
        (2_500, None, -0.1, "05.11", -0.1),
        (1_150, 1_200, -0.7, "04.00", -0.1),
        (250, 300, -0.7, "04.00", 0.0),
    ],
)
def test_pixels_have_the_last_word(dark, green, stated, baseline, expected) -> None:
    assert settled(dark, green, stated, baseline) == expected


def test_no_clear_ground_no_objection() -> None:
    assert settle({}, {}, every(1e-4), every(-0.1), "05.11") == every(-0.1)


def test_bands_without_a_test_follow_the_others() -> None:
    scale, offset = {"red": 1e-4, "nir": 1e-4}, {"red": -0.1, "nir": -0.1}
    assert settle({"red": 200.0}, {}, scale, offset, "05.11") == {"red": 0.0, "nir": 0.0}
