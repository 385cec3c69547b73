"""What is said, and that it can always be said."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon

from alerts import exposed
from alerts.channels.push import fitted
from alerts.message import render, render_somehow
from alerts.sample import KINDS, sample_alert
from detectors.errors import PermanentError
from detectors.exposure import Exposed, Exposure, NearPlace, OnRiver, Thing
from detectors.types import Alert, Kind, Landslide, Sensor, State, Tier
from tests.records import Make

_AT = datetime(2023, 1, 1, 14, 15, tzinfo=UTC)
_EMPTY = MultiPolygon()

_moments = st.datetimes(
    min_value=datetime(1992, 1, 1),  # noqa: DTZ001
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=13)), timezone(-timedelta(hours=9))]),
)
_lon = st.floats(-180, 180, allow_subnormal=False)
_lat = st.floats(-90, 90, allow_subnormal=False)
_rings = st.lists(st.tuples(_lon, _lat), min_size=3, max_size=6, unique=True)
_outlines = st.lists(_rings, max_size=3).map(
    lambda rings: MultiPolygon([Polygon(ring) for ring in rings])
)
_texts = st.text(st.characters(codec=None), max_size=120)
_landslides = st.builds(
    Landslide,
    id=st.uuids(),
    region_id=st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    revision=st.integers(1, 10_000),
    state=st.sampled_from(State),
    tier=st.sampled_from(Tier),
    geometry=_outlines,
    area_m2=st.floats(),
    not_before=_moments,
    not_after=_moments,
    detections=st.lists(st.uuids(), max_size=2).map(tuple),
    looks=st.integers(0, 500),
    score_max=st.floats(),
    evidence=st.floats(),
    change_db=st.none() | st.floats(),
    cause=_texts,
    source=st.sampled_from(Sensor),
    d_ndvi=st.none() | st.floats(),
    ensemble_score=st.none() | st.floats(),
    verdict_at=st.none() | _moments,
    advisory=st.none() | _texts,
    simulated=st.booleans(),
    kind=st.sampled_from(Kind),
)
_places = st.builds(NearPlace, _texts, st.floats(0, 5e4), st.floats(0, 360))
_exposures = st.builds(
    Exposure,
    mapped=st.sets(st.sampled_from(Thing)).map(tuple),
    things=st.lists(
        st.builds(
            Exposed, st.sampled_from([Thing.ROAD, Thing.RAIL, Thing.RIVER]), _texts, _texts,
            st.floats(0, 1e4), st.floats(0, 100),
        ),
        max_size=6,
    ).map(tuple),
    buildings_inside=st.integers(0, 3),
    buildings_near=st.integers(0, 3),
    place=st.none() | _places,
    downstream=st.none()
    | st.builds(
        OnRiver, st.booleans(), st.lists(_texts, max_size=5).map(tuple), st.integers(0, 3),
        st.lists(_texts, max_size=5).map(tuple), st.integers(0, 2),
        st.lists(_places, max_size=5).map(tuple),
    ),
    credits=st.lists(_texts, max_size=2).map(tuple),
    loaded_at=_moments,
)  # fmt: skip
_alerts = st.builds(
    Alert,
    landslide=_landslides,
    kind=st.sampled_from(KINDS),
    region_name=_texts,
    tags=st.lists(_texts, max_size=3).map(tuple),
    item_id=_texts,
    sensed_at=_moments,
    published_at=_moments,
    exercise=st.booleans(),
    references=st.lists(st.uuids(), max_size=3).map(tuple),
    exposure=st.none() | _exposures,
)


@given(_alerts)
@example(replace(sample_alert(_AT), region_name="\u202eESICREXE\r\nBcc: all@example.org\ud800"))
@example(replace(sample_alert(_AT), region_name="{{ key }}{% raw %}<b>&amp;"))
def test_any_landslide_can_be_told_and_keeps_its_marks(alert: Alert) -> None:
    message = render(alert)
    spoken = {
        "title": message.title,
        "text": message.text,
        "short": message.short,
        "last line": message.text.splitlines()[-1],
        "payload": message.payload["title"],
    }
    for place, words in spoken.items():
        words.encode()  # no lone surrogate is left
        if alert.exercise or alert.landslide.simulated:
            assert "EXERCISE" in words, place
        if alert.landslide.simulated:
            assert "SIMULATED" in words, place
    for part in (message.title, message.short):
        assert part.replace("\u200c", "").replace("\u200d", "").isprintable()
    if message.exercise:
        assert message.title.startswith("EXERCISE")
        assert message.text.startswith("EXERCISE")
        assert message.short.startswith("EXERCISE")
    assert message.exercise == (alert.exercise or alert.landslide.simulated)
    assert message.payload["exercise"] is message.exercise
    assert message.payload["status"] == ("Exercise" if message.exercise else "Actual")
    assert message.payload["simulated"] is alert.landslide.simulated
    assert str(alert.id) == message.key == message.payload["key"]
    assert message.key in message.text
    assert len(message.short) <= 160
    assert message.payload["landslide"]["kind"] == alert.landslide.kind.value
    assert message.payload["severity"] in {"Extreme", "Severe", "Moderate", "Minor"}
    assert message.payload["references"] == [str(key) for key in alert.references]
    assert all(str(key) in message.text for key in alert.references if alert.kind != "suspected")
    assert json.loads(json.dumps(message.payload, allow_nan=False)) == message.payload


@given(_alerts, st.integers(160, 4_000))
def test_a_message_is_never_cut_blindly(alert: Alert, limit: int) -> None:
    message = render(alert)
    form, title, body = fitted(message, limit)
    assert len(title) + len(body) <= limit
    if message.exercise:
        assert (title or body).startswith("EXERCISE")
        assert body.startswith("EXERCISE")
    if form == "cut":
        assert body.endswith(f"Key: {message.key}\n")
        assert "WHAT TO DO NOW" in body or "Where: " in body


def _drill() -> Alert:
    """The drill of the demo, as a duty officer would get it."""
    outline = Polygon([(-122.53, 37.97), (-122.528, 37.97), (-122.528, 37.972), (-122.53, 37.972)])
    sample = sample_alert(_AT)
    landslide = replace(
        sample.landslide,
        id=uuid.UUID(int=7),
        region_id="san-rafael",
        geometry=MultiPolygon([outline]),
        area_m2=31_234.0,
        change_db=4.31,
        score_max=7.43,
        evidence=12.0,
        advisory="wet scene",
    )
    return replace(
        sample,
        landslide=landslide,
        region_name="San Rafael (drill)",
        item_id="OPERA_L2_RTC-S1_T137-292321-IW2_20230101T141500Z_20230101T201500Z_S1A_30_v1.0",
        published_at=_AT + timedelta(hours=6),
    )


def test_a_duty_officer_finds_what_is_needed() -> None:
    message = render(_drill())
    for words in (
        "EXERCISE - EXERCISE - EXERCISE\nTake no action outside the exercise.\nSIMULATED:",
        "NOT CONFIRMED",
        "San Rafael (drill)",
        "lat 37.97100, lon -122.52900",
        "3.1 ha",
        "after  2022-12-20 14:15 UTC",
        "before 2023-01-01 14:15 UTC",
        "12 days",
        "C-band backscatter rose 4.3 dB, in 1 look.",
        "CAUTION: wet scene.",
        "Tier likely, state suspected.",
        "Score 7.4 sigma",
        "not probabilities",
        "clear optical image",
        "unproven on real\nimagery",
        "Contains modified Copernicus Sentinel data 2022-2023; processed from NASA/JPL OPERA",
        f"Key:       {message.key}",
    ):
        assert words in message.text
    assert message.title == (
        "EXERCISE SIMULATED: Suspected landslide, San Rafael (drill), 3.1 ha, not confirmed"
    )
    # What to do stands on the first screen, before the figures behind it.
    assert message.text.index("WHAT TO DO") < message.text.index("WHAT WAS SEEN")
    # A long chat message on Discord, the tightest of the common ones, still comes whole.
    assert len(message.title) + len(message.text) <= 2_000


def test_the_sms_holds_place_time_and_key() -> None:
    short = render(_drill()).short
    assert short.startswith("EXERCISE SIMULATED: Suspected landslide 37.97100,-122.52900 3.1 ha")
    assert "UNCONFIRMED" in short
    assert "2023-01-01 14:15Z" in short
    assert render(_drill()).key in short


_SEEN_AT = datetime(2023, 1, 4, 18, 48, tzinfo=UTC)


def _decided(kind: str, state: State, **fields: Any) -> Alert:
    """What an optical look made of the drill."""
    drill = _drill()
    landslide = replace(
        drill.landslide, revision=2, state=state, verdict_at=_SEEN_AT, advisory=None, **fields
    )
    return replace(
        drill, landslide=landslide, kind=kind, references=(drill.id,), sensed_at=_SEEN_AT,
        item_id="S2B_MSIL2A_20230104T184759_N0509_R070_T10SEG_20230104T222101",
        published_at=_SEEN_AT + timedelta(hours=4),
    )  # fmt: skip


def _confirmed(**fields: Any) -> Alert:
    cause = (
        "confirmed by the look of 2023-01-04: vegetation lost, and the ensemble agrees: NDVI 0.68 "
        "before, -0.47 against its surroundings, 81% of it changed, ensemble 0.83, 97% clear"
    )
    seen = {"d_ndvi": -0.47, "ensemble_score": 0.83, "area_m2": 28_412.0, "cause": cause}
    return _decided("confirmed", State.CONFIRMED, **(seen | fields))


def _withdrawn(**fields: Any) -> Alert:
    cause = (
        "refuted by the look of 2023-01-04: vegetation unchanged: NDVI 0.68 before, -0.01 against "
        "its surroundings, 0% of it changed, ensemble 0.04, 97% clear"
    )
    seen = {"d_ndvi": -0.012, "ensemble_score": 0.04, "cause": cause}
    return _decided("withdrawn", State.REFUTED, **(seen | fields))


def test_a_confirmation_says_what_changed_and_what_to_do() -> None:
    alert = _confirmed()
    message = render(alert)
    for words in (
        "\nLANDSLIDE CONFIRMED BY AN OPTICAL IMAGE OF 2023-01-04 18:48 UTC\n",
        f"Earlier alert: {_drill().id}\n",
        "2.8 ha (outline of the optical image)",
        "after  2022-12-20 14:15 UTC (last look without it)",
        "1. Follow your plan for landslides. No person has checked it yet.",
        "4. Use this place and outline instead of those sent before.",
        "NDVI -0.47 against its surroundings: vegetation was lost.",
        "Ensemble score 0.83 of 1.",
        "(scores, not probabilities)",
        "C-band backscatter rose 4.3 dB; score 7.4 sigma, evidence 12.0.",
        "Suspected by radar first, in 1 look.",
        "ensemble 0.83, 97% clear\n",
        "Contains modified Copernicus Sentinel data 2022-2023",
    ):
        assert words in message.text
    assert message.title == (
        "EXERCISE SIMULATED: Confirmed landslide, San Rafael (drill), 2.8 ha, by optical image"
    )
    assert message.short.startswith(
        "EXERCISE SIMULATED: CONFIRMED landslide 37.97100,-122.52900 2.8 ha by image 2023-01-04"
    )
    assert message.key in message.short
    assert message.payload["references"] == [str(_drill().id)]
    told = message.payload["landslide"]
    assert (told["source"], told["d_ndvi"], told["ensemble_score"]) == ("sar", -0.47, 0.83)
    assert told["verdict_at"] == "2023-01-04T18:48:00Z"


def test_what_only_optical_looks_saw_is_told_as_that() -> None:
    alert = replace(
        _confirmed(source=Sensor.OPTICAL, change_db=None, tier=Tier.WATCH), references=()
    )
    message = render(alert)
    assert "Radar:   has not seen it." in message.text
    assert "Suspected by an optical look first" in message.text
    assert "Earlier alert: none" in message.text
    assert "backscatter" not in message.text
    assert "sent before" not in message.text
    assert message.payload["landslide"]["change_db"] is None
    assert message.payload["landslide"]["source"] == "optical"


def test_a_withdrawal_says_so_first_and_what_it_withdraws() -> None:
    message = render(_withdrawn())
    real = render(replace(_withdrawn(simulated=False), exercise=False))
    assert real.text.startswith("THE EARLIER LANDSLIDE ALERT IS WITHDRAWN\n")
    assert real.title.startswith("WITHDRAWN landslide alert")
    for words in (
        f"Alert: {_drill().id}\n",
        "the optical look of 2023-01-04 18:48 UTC shows\n       unchanged vegetation",
        "Stand down what was started because of that alert, unless other sources\n   say otherwise",
        "NDVI -0.01 against its surroundings: vegetation unchanged.",
        "(scores, not probabilities)",
        f"Key:       {message.key}",
    ):
        assert words in message.text
    assert str(_drill().id) in message.short, "the key people know"
    assert message.short.startswith("EXERCISE SIMULATED: WITHDRAWN landslide alert 37.97100,")


@pytest.mark.parametrize("alert", [_confirmed(), _withdrawn()], ids=lambda alert: alert.kind)
def test_what_follows_an_alert_fits_and_reads_like_it(alert: Alert) -> None:
    message = render(alert)
    assert len(message.title) + len(message.text) <= 2_000
    assert message.text.index("WHAT TO DO") < message.text.index("WHAT WAS SEEN")
    assert max(map(len, message.text.splitlines())) <= 78


def _water(alert: Alert) -> Alert:
    landslide = replace(alert.landslide, kind=Kind.PONDING, change_db=-9.32)
    return replace(alert, landslide=landslide)


def test_new_water_says_where_the_danger_lies_and_what_is_not_known() -> None:
    message = render(_water(_drill()))
    for words in (
        "SIMULATED: this new water was written into the images. It never happened.",
        "NEW WATER, PERHAPS BEHIND A LANDSLIDE. NOT CONFIRMED\nSeverity: severe.",
        "lat 37.97100, lon -122.52900 (in the water)",
        "3.1 ha of water",
        "CAUTION: wet scene.",
        "Only radar has seen it; no person has checked.",
        "Look DOWNSTREAM",
        "a river that runs low may be blocked above",
        "C-band backscatter fell 9.3 dB, to the level of open water, in 1 look.",
        "(no probabilities)",
        "WHAT IS NOT KNOWN\nWhether there is a dam: radar shows water, not what holds it.",
        "Floods, smooth wet fields, reservoirs and snow look alike.",
        "Unproven on real blockages.",
        f"Key:       {message.key}",
    ):
        assert " ".join(words.split()) in " ".join(message.text.split())
    assert "SUSPECTED LANDSLIDE" not in message.text
    assert message.title == (
        "EXERCISE SIMULATED: New water, perhaps a blocked valley, San Rafael (drill), 3.1 ha, "
        "not confirmed"
    )
    assert message.short.startswith(
        "EXERCISE SIMULATED: New water, danger downstream 37.97100,-122.52900 3.1 ha UNCONFIRMED"
    )
    assert message.payload["severity"] == "Severe"
    assert message.payload["kind"] == "suspected"
    assert message.payload["landslide"]["kind"] == "ponding"


def test_confirmed_and_withdrawn_water_is_told_as_water() -> None:
    confirmed, withdrawn = (render(_water(alert)) for alert in (_confirmed(), _withdrawn()))
    assert "Warn those along the river DOWNSTREAM." in confirmed.text
    assert "not that water covers it" in confirmed.text
    assert confirmed.payload["severity"] == "Extreme"
    assert confirmed.title.startswith("EXERCISE SIMULATED: Confirmed new water, danger downstream")
    assert "THE EARLIER ALERT OF NEW WATER IS WITHDRAWN" in withdrawn.text
    assert "Water may have been there and drained" in withdrawn.text
    assert withdrawn.payload["severity"] == "Minor"
    assert str(_drill().id) in withdrawn.short


@pytest.mark.parametrize("alert", [_drill(), _confirmed(), _withdrawn()], ids=lambda one: one.kind)
def test_a_message_of_water_fits_and_begins_with_what_to_do(alert: Alert) -> None:
    message = render(_water(alert))
    assert len(message.title) + len(message.text) <= 2_000
    assert message.text.index("WHAT TO DO") < message.text.index("WHAT WAS SEEN")
    body = message.text.split("REFERENCE")[0]
    assert max(map(len, body.splitlines())) <= 80
    assert message.key in message.short or alert.kind == "withdrawn"


def test_landslides_carry_their_severity() -> None:
    told = [render(alert).payload["severity"] for alert in (_drill(), _confirmed(), _withdrawn())]
    assert told == ["Moderate", "Severe", "Minor"]


@pytest.mark.parametrize(
    ("change_db", "source", "words"),
    [
        (4.3, Sensor.SAR, "Only radar has seen it; no person has checked."),
        (4.3, Sensor.OPTICAL, "It was seen by radar and an optical look."),
        (None, Sensor.OPTICAL, "Radar has not seen it.\n"),
    ],
)
def test_a_suspicion_names_its_witnesses(
    change_db: float | None, source: Sensor, words: str
) -> None:
    drill = _drill()
    landslide = replace(drill.landslide, change_db=change_db, source=source, d_ndvi=-0.3)
    text = render(replace(drill, landslide=landslide)).text
    assert " ".join(words.split()) in " ".join(text.split())
    assert ("backscatter" in text) == (change_db is not None)


def test_a_real_alert_is_not_marked() -> None:
    drill = _drill()
    real = replace(drill, exercise=False, landslide=replace(drill.landslide, simulated=False))
    message = render(real)
    assert "EXERCISE" not in f"{message.title} {message.text} {message.short}"
    assert message.text.startswith("SUSPECTED LANDSLIDE, NOT CONFIRMED\n")


def test_a_replay_says_that_the_images_are_real() -> None:
    drill = _drill()
    message = render(replace(drill, landslide=replace(drill.landslide, simulated=False)))
    assert message.title.startswith("EXERCISE: ")
    assert "The images are real and may be old" in message.text
    assert "SIMULATED" not in message.text


def test_the_point_lies_inside_a_curved_outline() -> None:
    hook = Polygon([(0, 0), (9, 0), (9, 9), (0, 9), (0, 8), (8, 8), (8, 1), (0, 1)])
    drill = _drill()
    message = render(
        replace(drill, landslide=replace(drill.landslide, geometry=MultiPolygon([hook])))
    )
    lon, lat = message.payload["landslide"]["point"]
    assert hook.covers(Polygon([(lon, lat), (lon, lat + 1e-6), (lon + 1e-6, lat)]))


def test_other_sources_get_other_credits() -> None:
    message = render(replace(_drill(), item_id="S1A_IW_GRDH_1SDV_20230101T141500_rtc"))
    assert message.payload["credits"] == "Contains modified Copernicus Sentinel data 2022-2023"


@pytest.mark.parametrize("kind", ["gossip", "../rules", ""])
def test_a_kind_without_templates_is_named(kind: str) -> None:
    with pytest.raises(PermanentError, match="no message template"):
        render(replace(_drill(), kind=kind))


def test_a_template_with_a_misspelt_name_is_named_and_ours_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "suspected.title.j2").write_text("{{ regoin }}")
    with pytest.raises(PermanentError, match="regoin"):
        render(_drill(), templates=tmp_path)
    message, fault = render_somehow(_drill(), templates=tmp_path)
    assert message == render(_drill())
    assert "regoin" in fault


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        render(replace(_drill(), sensed_at=datetime(2023, 1, 1)))  # noqa: DTZ001


def test_what_lies_there_stands_below_the_place() -> None:
    exposure = Make().exposure()
    told = render(replace(_drill(), exposure=exposure))
    place, lies = told.text.split("SUSPECTED LANDSLIDE, NOT CONFIRMED\n\n")[1].split("\n\n")[:2]
    assert place.startswith("Where: San Rafael")
    assert lies.splitlines()[:4] == [
        "WHAT LIES THERE (by the loaded maps)",
        "- crosses the road Fv53 over 120 m",
        "- reaches into the river Utla over 80 m",
        "- 3 buildings within 100 m",
    ]
    assert max(len(line) for line in told.text.splitlines()[:20]) <= 78
    assert told.payload["exposure"]["words"][3] == "1.4 km south-east of Årdal"
    assert told.payload["exposure"]["things"][0]["kind"] == "road"
    assert told.payload["severity"] == "Severe", "it may dam a river that people live along"
    assert told.payload["credits"].endswith("map: © OpenStreetMap contributors, ODbL 1.0")
    # Whoever is told to stand down need not read what was in danger.
    over = render(replace(_withdrawn(), exposure=exposure))
    assert "WHAT LIES THERE" not in over.text
    assert render(_drill()).payload["exposure"] is None


@pytest.mark.parametrize(
    ("azimuth", "said"),
    [(0, "north"), (22.4, "north"), (22.6, "north-east"), (135, "south-east"), (359, "north")],
)
def test_compass_directions(azimuth: float, said: str) -> None:
    assert exposed.wind(azimuth) == said


@pytest.mark.parametrize(
    ("metres", "said"),
    [(0.4, "10 m"), (94, "90 m"), (949, "950 m"), (951, "1.0 km"), (12_345, "12.3 km")],
)
def test_distances(metres: float, said: str) -> None:
    assert exposed.distance(metres) == said
