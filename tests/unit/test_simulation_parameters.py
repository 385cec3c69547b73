"""The frozen figures of the simulator: all of them with a source, none of them by accident."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from detectors.errors import ConfigurationError
from detectors.simulation.land import LandCover
from detectors.simulation.look_alikes import LookAlikeKind
from detectors.simulation.parameters import load_parameters, read_parameters

FILE = resources.files("detectors.simulation").joinpath("parameters.toml")
CONTENT = FILE.read_bytes()
#: A changed figure voids every result made with the old one: version and hash go together.
FROZEN = {1: "990998dacca4d660c060a5d9f246c08fcd81e6debaf217d5fd27096282263463"}


def tables(node: dict[str, Any], name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if any(not isinstance(value, dict) for value in node.values()):
        yield name, node
    for key, value in node.items():
        if isinstance(value, dict):
            yield from tables(value, f"{name}.{key}".strip("."))


TABLES = {name: table for name, table in tables(tomllib.loads(CONTENT.decode())) if name}


def test_the_figures_are_those_that_were_frozen() -> None:
    figures = load_parameters()
    assert FROZEN[figures.version] == figures.sha256


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_where_its_figures_come_from(name: str) -> None:
    source = TABLES[name]["source"]
    assert re.match(r"(measured|SCIENCE 3|assumption|computed|issue 4)", source)
    assert len(source) > 25


def test_every_cover_and_look_alike_has_figures() -> None:
    figures = load_parameters()
    assert set(figures.cover) == {code.name.lower() for code in LandCover}
    assert set(figures.look_alike) == {kind.value for kind in LookAlikeKind}
    for rules in figures.look_alike.values():
        assert set(rules.on) <= set(figures.cover)


def test_polygon_means_are_those_of_the_sources() -> None:
    """SCIENCE section 3: forest -2 in both, wetland about +4, a third of 7 to 10 dB on grass."""
    cover = load_parameters().cover
    assert cover["forest"].slide_db == (-2.0, -2.0)
    assert cover["wetland"].slide_db == (4.0, 4.0)
    assert cover["grass"].slide_db[0] == pytest.approx(8.5 / 3, abs=0.1)
    assert all(-1.5 < cover[name].slide_db[1] < 0 for name in ("shrub", "urban"))
    slide = load_parameters().slide
    assert -12 <= slide.scarp_away_clear_db <= -7
    assert -8 <= slide.edge_near_db <= -4


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("looks = 14.0\n", "", "looks"),
        ("looks = 14.0\n", "looks = 14.0\nluck = 1.0\n", "luck"),
        ("looks = 14.0\n", "looks = 14\n", "parameters.radar.looks"),
        ("noise_db = -27.5", "noise_db = [-27.5]", "noise_db"),
        ("wet_db = [2.0, 2.8]", "wet_db = [2.0]", "wet_db takes 2 values"),
        ("months = [11, 12, 1, 2, 3, 4, 5]", "months = []", "months"),
        ("version = 1", "version =", "no TOML"),
    ],
)
def test_a_figure_too_few_or_too_many_is_refused(old: str, new: str, told: str) -> None:
    text = CONTENT.decode()
    assert old in text
    with pytest.raises(ConfigurationError, match=told):
        read_parameters(text.replace(old, new, 1).encode())


def test_figures_cannot_be_changed_in_passing() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_parameters().radar.looks = 3.0  # type: ignore[misc]
