"""CAP messages: what each moment of a landslide's life becomes, read back by another parser."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon

from alerts.cap import LARGEST_INSIDE, Context, Header, Picture, Profile, compose
from alerts.cap_rules import faults
from alerts.cap_words import WORDS, Words
from alerts.sample import KINDS, sample_alert
from detectors.errors import ConfigurationError
from detectors.types import Alert, Kind, State
from tests.cap_reader import read

AT = datetime(2023, 1, 1, 14, 15, 30, 999_999, tzinfo=UTC)
PROFILE = Profile("alerts.example.org", "Example agency", "Duty desks of the example agency")


def _real(alert: Alert, **changes: object) -> Alert:
    landslide = replace(alert.landslide, simulated=False, **changes)
    return replace(alert, exercise=False, landslide=landslide)


def _first() -> Header:
    return compose(sample_alert(AT), PROFILE, (), AT).header


@pytest.mark.parametrize(
    ("state", "kind", "msg_type", "certainty", "response"),
    [
        (State.SUSPECTED, "suspected", "Alert", "Possible", "Assess"),
        (State.SUSPECTED, "updated", "Update", "Possible", "Assess"),
        (State.CONFIRMED, "confirmed", "Update", "Observed", "Assess"),
        (State.UNRESOLVED, "unresolved", "Update", "Possible", "Monitor"),
        (State.CLOSED, "closed", "Update", "Observed", "AllClear"),
        (State.REFUTED, "withdrawn", "Cancel", "Unlikely", "AllClear"),
        (State.SUSPECTED, "merged", "Update", "Possible", "Assess"),
        (State.CONFIRMED, "split", "Update", "Observed", "Assess"),
    ],
)
def test_every_moment_of_a_life_has_its_message(
    state: State, kind: str, msg_type: str, certainty: str, response: str
) -> None:
    earlier = () if msg_type == "Alert" else (_first(),)
    alert = replace(_real(sample_alert(AT), state=state, revision=2), kind=kind)
    message = compose(alert, PROFILE, earlier, AT + timedelta(days=1))
    assert faults(message.xml.encode()) == []
    found = read(message.xml)
    assert found.plain["msgType"] == message.header.msg_type == msg_type
    assert (found.plain["status"], found.plain["scope"]) == ("Actual", "Restricted")
    assert found.plain["restriction"] == "Duty desks of the example agency"
    assert list(found.blocks) == ["en", "nb"]
    for block in found.blocks.values():
        assert (block.plain["category"], block.plain["urgency"]) == ("Geo", "Past")
        assert (block.plain["certainty"], block.plain["responseType"]) == (certainty, response)
        assert "EXERCISE" not in block.plain["headline"] + block.plain["description"]
        assert len(block.plain["headline"]) <= 160


def test_a_confirmation_out_of_nothing_is_a_first_alert() -> None:
    alert = _real(sample_alert(AT, "confirmed"))
    assert read(compose(alert, PROFILE, (), AT).xml).plain["msgType"] == "Alert"


def test_earlier_messages_are_named_character_by_character() -> None:
    strange = Header("other.example.org", "it-was:so", "2022-12-31T23:00:00-01:00", "Alert")
    message = compose(sample_alert(AT, "withdrawn"), PROFILE, (strange, _first()), AT)
    assert read(message.xml).references == [
        ("other.example.org", "it-was:so", "2022-12-31T23:00:00-01:00"),
        ("alerts.example.org", str(sample_alert(AT).id), "2023-01-01T14:15:30+00:00"),
    ]
    assert read(message.xml).plain["identifier"] == str(sample_alert(AT, "withdrawn").id)


def test_a_clock_that_goes_back_undercuts_no_earlier_message() -> None:
    message = compose(sample_alert(AT, "confirmed"), PROFILE, (_first(),), AT - timedelta(days=9))
    assert message.header.sent == _first().sent
    assert faults(message.xml.encode()) == []


def test_exercise_and_simulated_cannot_be_lost() -> None:
    drill = replace(sample_alert(AT), exercise=False)  # the flag was forgotten
    found = read(compose(drill, PROFILE, (), AT).xml)
    assert found.plain["status"] == "Exercise"
    assert found.plain["note"].startswith("EXERCISE SIMULATED: Scarpwatch exercise. ")
    for block in found.blocks.values():
        assert block.plain["headline"].startswith("EXERCISE SIMULATED: ")
        assert "EXERCISE" in block.plain["description"].split("\n")[0]
        assert "SIMULATED" in block.plain["description"].split("\n")[1]
        assert block.parameters["scarpwatch:simulated"] == "true"
    replayed = replace(_real(sample_alert(AT)), exercise=True)
    found = read(compose(replayed, PROFILE, (), AT).xml)
    assert found.plain["status"] == "Exercise"
    assert "SIMULATED" not in found.plain["note"]
    assert "not an alarm" not in found.blocks["nb"].plain["description"]
    assert "not an alarm" in found.blocks["en"].plain["description"]


def test_programs_find_the_numbers_and_people_the_words() -> None:
    context = Context(
        share_seen=0.834,
        next_look=AT + timedelta(days=12),
        incidents=("another",),
        exposure={"en": ["road E6, 40 m below"]},
    )
    found = read(compose(_real(sample_alert(AT, "confirmed")), PROFILE, (), AT, context).xml)
    block = found.blocks["en"]
    wanted = {
        "tier": "likely", "score": "5", "score_unit": "sigma", "observability": "0.834",
        "area_m2": "3000", "kind": "landslide", "state": "confirmed", "d_ndvi": "-0.42",
        "not_before": "2022-12-20T14:15:30+00:00", "next_look": "2023-01-13T14:15:30+00:00",
    }  # fmt: skip
    got = {name.removeprefix("scarpwatch:"): value for name, value in block.parameters.items()}
    assert got.items() >= wanted.items()
    assert block.event_codes == {"OET:v1.2": "OET-119"}
    assert block.parameters == found.blocks["nb"].parameters
    assert "83 % of the area" in block.plain["description"]
    assert "Nearby: road E6, 40 m below." in block.plain["description"]
    assert "0,30 ha" in found.blocks["nb"].plain["headline"]
    assert found.plain["incidents"].split()[1:] == ["another"]
    effective, expires = (datetime.fromisoformat(block.plain[n]) for n in ("effective", "expires"))
    assert expires - effective == timedelta(days=30)


def test_water_behind_a_dam_is_awaited_and_has_no_landslides_code() -> None:
    for state, urgency in ((State.SUSPECTED, "Expected"), (State.CLOSED, "Past")):
        alert = _real(sample_alert(AT), kind=Kind.PONDING, state=state)
        found = read(compose(alert, PROFILE, (), AT).xml)
        for block in found.blocks.values():
            assert block.plain["urgency"] == urgency
            assert block.event_codes == {}
        warned = "DOWNSTREAM" in found.blocks["en"].plain["instruction"]
        assert warned == (urgency == "Expected")


def test_an_outline_has_latitude_first_and_holds_what_it_stands_for() -> None:
    trondheim = Polygon([(10.40, 63.40), (10.41, 63.40), (10.41, 63.41), (10.40, 63.41)])
    alert = _real(sample_alert(AT), geometry=MultiPolygon([trondheim]))
    (ring,) = read(compose(alert, PROFILE, (), AT).xml).blocks["en"].polygons
    assert ring[0] == ring[-1]
    assert Polygon([(lon, lat) for lat, lon in ring]).covers(trondheim)


def test_an_alert_without_outline_still_says_where() -> None:
    message = compose(_real(sample_alert(AT), geometry=MultiPolygon()), PROFILE, (), AT)
    assert faults(message.xml.encode()) == []
    block = read(message.xml).blocks["en"]
    assert (block.places, block.polygons) == (["Channel test"], [])


def test_a_picture_that_is_drawn_later_is_linked() -> None:
    picture = Picture(None, "What the looks show", "https://alerts.example.org/a.png")
    message = compose(sample_alert(AT), PROFILE, (), AT, Context(picture=picture))
    assert faults(message.xml.encode()) == []
    (resource,) = read(message.xml).blocks["en"].resources
    assert resource == {
        "resourceDesc": picture.description, "mimeType": "image/png", "uri": picture.uri,
    }  # fmt: skip


@pytest.mark.parametrize("size", [LARGEST_INSIDE, LARGEST_INSIDE + 1])
def test_a_picture_is_inside_when_small_and_linked_when_large(size: int) -> None:
    content = b"\x89PNG" + bytes(size - 4)
    picture = Picture(content, "Before and after", "https://alerts.example.org/a.png")
    message = compose(sample_alert(AT), PROFILE, (), AT, Context(picture=picture))
    assert faults(message.xml.encode()) == []
    (resource,) = read(message.xml).blocks["nb"].resources
    assert resource["mimeType"] == "image/png"
    assert resource["uri"] == "https://alerts.example.org/a.png"
    assert resource["digest"] == hashlib.sha1(content).hexdigest()
    assert ("derefUri" in resource) == (size == LARGEST_INSIDE)
    if "derefUri" in resource:
        assert base64.b64decode(resource["derefUri"]) == content
    nowhere = Context(picture=replace(picture, uri=None))
    found = read(compose(sample_alert(AT), PROFILE, (), AT, nowhere).xml)
    assert len(found.blocks["en"].resources) == (size == LARGEST_INSIDE)


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "a b"}, {"sender": "a,b"}, {"sender": ""}, {"languages": ("xx",)},
        {"languages": ()}, {"languages": ("en", "en")}, {"expires_after": timedelta()},
        {"restriction": " "}, {"web": "page"}, {"web": "https://a b/"},
    ],
)  # fmt: skip
def test_a_profile_that_breaks_messages_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        replace(PROFILE, **changes)


@pytest.mark.parametrize("language", [name for name in WORDS if name != "en"])
def test_every_language_says_as_much_as_english(language: str) -> None:
    def holes(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for field in fields(Words):
        english, other = (getattr(WORDS[name], field.name) for name in ("en", language))
        if field.name == "terms":
            assert other.keys() >= {*State, "watch", "likely"}
        elif isinstance(english, str):
            assert other
            assert holes(english) == holes(other), field.name
        else:
            assert english.keys() == other.keys(), field.name
            for key, text in english.items():
                assert holes(text) == holes(other[key]), (field.name, key)


_texts = st.text(st.characters(codec=None), max_size=60)
_numbers = st.floats()


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS), _texts, _texts, _texts, _numbers, _numbers, st.sampled_from(Kind),
    st.sampled_from(State),
)  # fmt: skip
def test_whatever_comes_from_outside_the_message_is_a_good_one(
    kind: str, region: str, cause: str, advisory: str, area: float, score: float, what: Kind,
    state: State,
) -> None:  # fmt: skip
    alert = sample_alert(AT, kind)
    landslide = replace(
        alert.landslide,
        revision=9, cause=cause, advisory=advisory, area_m2=area, score_max=score, kind=what,
        state=state,
    )  # fmt: skip
    alert = replace(alert, landslide=landslide, region_name=region)
    profile = replace(PROFILE, contact=cause, sender_name=region)
    message = compose(alert, profile, (_first(),), AT, Context(share_seen=score))
    assert faults(message.xml.encode()) == []
    read(message.xml)


@pytest.mark.parametrize("kind", KINDS)
def test_trying_out_a_channel_is_for_that_channel_alone(kind: str) -> None:
    context = Context(test_for="duty")
    earlier = () if kind == "suspected" else (_first(),)
    message = compose(sample_alert(AT, kind), PROFILE, earlier, AT, context)
    assert faults(message.xml.encode()) == []
    found = read(message.xml)
    assert (found.plain["status"], found.plain["scope"]) == ("Test", "Private")
    assert found.plain["addresses"] == "duty"
    assert "restriction" not in found.plain
    for block in found.blocks.values():
        assert (block.plain["certainty"], block.plain["responseType"]) == ("Unknown", "None")
        assert block.plain["headline"].startswith("EXERCISE SIMULATED: ")
