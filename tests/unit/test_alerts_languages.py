"""Messages and actions in every language; an agency's own words, and what is wrong with them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alerts
from alerts import wording
from alerts.actions import EXPOSED, recommended
from alerts.languages import known, language, shipped
from alerts.message import ALIKE, PARTS, render, render_somehow
from alerts.sample import KINDS, sample_alert
from alerts.template_check import EXPOSURES, cases, faults, template_names
from alerts.wording import ENGLISH, fill
from detectors.errors import ConfigurationError, PermanentError
from detectors.types import Alert, Kind, State, Tier
from tests.records import Make
from tests.unit.test_alerts_message import _alerts

_AT = datetime(2023, 1, 1, 14, 15, tzinfo=UTC)
OURS = Path(alerts.__file__).parent / "templates"
LANGUAGES = ("en", "nb")


def test_english_and_norwegian_come_with_it() -> None:
    assert shipped() == LANGUAGES
    readme = (OURS.parent / "README.md").read_text()
    assert all(f"`{tag}`" in readme for tag in LANGUAGES)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_language_is_complete(tag: str) -> None:
    there = {str(one.relative_to(OURS / tag)) for one in (OURS / tag).rglob("*.j2")}
    assert there == template_names()
    for kind, state in product(Kind, State):
        assert f"actions/{kind}-{state}.j2" in there
    for kind, part in product(KINDS, PARTS):
        own = () if kind in ALIKE else (f"ponding-{kind}.{part}.j2",)
        names = {f"{kind}.{part}.j2", *own}
        assert names <= there
    assert language(tag).words.keys() == ENGLISH.keys()


def test_no_word_of_norwegian_was_forgotten() -> None:
    said = language("nb").words
    same = {key for key, word in ENGLISH.items() if said[key] == word}
    assert same == {"by_radar"}


@pytest.mark.parametrize("tag", LANGUAGES)
def test_there_is_something_to_do_in_every_case(tag: str) -> None:
    spoken = language(tag)
    for case, exposure in product(cases(), EXPOSURES):
        actions = recommended(case, spoken, exposure)
        assert len(actions) >= 2
        for action in actions:
            assert action[0].isupper() or action[0].isdigit()
            assert action.endswith((".", "?"))
            assert "  " not in action
            assert len(action) < 200


@pytest.mark.parametrize(("tag", "exposed"), [(t, e) for t in LANGUAGES for e in EXPOSED])
def test_what_lies_in_the_way_changes_what_to_do(tag: str, exposed: str) -> None:
    spoken = language(tag)
    told = {State.SUSPECTED, State.CONFIRMED, State.UNRESOLVED}
    for case in cases():
        bare, with_it = (recommended(case, spoken, e) for e in ({}, {exposed: 2}))
        assert (bare != with_it) == (case.landslide.state in told)
        if case.landslide.state in told:
            counted = spoken.words[exposed].replace("{n}", "2")
            assert any(counted in action for action in with_it)
            named = recommended(case, spoken, {exposed: "Fylkesvei 15\nEXTRA"})
            assert any("Fylkesvei 15 EXTRA" in action for action in named)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_kind_state_and_tier_change_what_to_do(tag: str) -> None:
    spoken = language(tag)
    said: dict[tuple[Any, ...], set[Any]] = {}
    for case in cases():
        one = case.landslide
        if one.change_db is not None:
            said.setdefault((one.kind, one.state), set()).add(recommended(case, spoken))
    first = [next(iter(sorted(found))) for found in said.values()]
    assert len(set(first)) == len(Kind) * len(State)
    # A weak suspicion is told as one.
    weak, strong = (recommended(_suspected(tier), spoken) for tier in (Tier.WATCH, Tier.LIKELY))
    assert set(strong) < set(weak)


def _suspected(tier: Tier) -> Alert:
    one = sample_alert(_AT)
    return replace(one, landslide=replace(one.landslide, tier=tier))


@pytest.mark.parametrize("tag", LANGUAGES)
@settings(max_examples=30)
@given(_alerts, st.sampled_from(EXPOSURES))
def test_marks_and_key_are_never_lost(tag: str, alert: Alert, exposure: Any) -> None:
    message = render(alert, tag, exposure=exposure)
    marked = (message.title, message.text, message.short, message.text.splitlines()[-1])
    for words in marked:
        words.encode()
        assert ("EXERCISE" in words) or not message.exercise
        assert ("SIMULATED" in words) or not alert.landslide.simulated
    assert len(message.short) <= 160
    keys = {message.key, *(str(one) for one in alert.references)}
    # More hectares than the Earth has would push it out.
    assert any(key in message.short for key in keys) or abs(alert.landslide.area_m2) > 1e12
    assert message.payload["language"] == tag
    assert message.payload["actions"]
    # Each action stands in the text, broken over lines.
    flat = " ".join(message.text.split())
    assert all(" ".join(action.split()) in flat for action in message.payload["actions"])


@pytest.mark.parametrize(("kind", "what"), [(k, w) for k in KINDS for w in Kind])
def test_norwegian_messages_fit_like_english_ones(kind: str, what: Kind) -> None:
    one = sample_alert(_AT, kind)
    alert = replace(one, landslide=replace(one.landslide, kind=what))
    english, norwegian = (render(alert, tag) for tag in LANGUAGES)
    assert english.payload["severity"] == norwegian.payload["severity"]
    assert len(norwegian.title) + len(norwegian.text) <= 2_200
    for line in norwegian.text.split("REFERANSE")[0].splitlines():
        assert len(line) <= 88, line
    assert norwegian.text.index("DETTE GJØR DU NÅ") < norwegian.text.index("DETTE BLE SETT")
    assert "ØVELSE" in norwegian.text
    for word in ("landslide", "radar has", "look", "image"):
        assert word not in norwegian.text.lower().replace("openstreetmap", "")


def test_numbers_are_written_as_people_write_them() -> None:
    say = language("nb").words
    assert wording.area(31_234, say) == "3,1 ha"
    assert wording.area(123_456_789, say) == "12 346 ha"
    assert wording.change(-4.31, say) == "falt 4,3 dB"
    assert wording.hundredths(-0.416, signed=True, say=say) == "-0,42"


def test_a_channel_of_an_unknown_language_gets_english_and_a_fault() -> None:
    message, fault = render_somehow(sample_alert(_AT), ("xx",))
    assert message == render(sample_alert(_AT))
    assert "no language 'xx'; known: en, nb" in str(fault)
    with pytest.raises(ConfigurationError, match="known: en, nb"):
        render(sample_alert(_AT), "xx")


def test_a_message_in_two_languages_has_both_texts_and_one_title() -> None:
    alert = sample_alert(_AT)
    norwegian, english = render(alert, "nb"), render(alert)
    both, fault = render_somehow(alert, ("nb", "en", "nb"))
    assert fault is None
    assert (both.title, both.short) == (norwegian.title, norwegian.short)
    assert both.text.startswith(norwegian.text)
    assert both.text.endswith(english.text)
    assert both.text.count("EXERCISE - EXERCISE - EXERCISE") == 1
    assert both.payload["text"] == both.text
    assert both.payload["language"] == "nb"


def test_a_language_there_is_not_does_not_repeat_english() -> None:
    alert = sample_alert(_AT)
    message, fault = render_somehow(alert, ("en", "xx"))
    assert message == render(alert)
    assert "no language 'xx'" in str(fault)


def _own(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


def test_an_agency_edits_one_file_and_keeps_the_others(tmp_path: Path) -> None:
    _own(tmp_path, "nb/actions/landslide-suspected.j2", "Ring {{ road or 'vakta' }}.\n")
    _own(tmp_path, "nb/words.toml", 'likely = "sikker"\n')
    assert faults(tmp_path) == []
    message = render(sample_alert(_AT), "nb", templates=tmp_path, exposure={"road": "E6"})
    assert message.payload["actions"] == ["Ring E6."]
    assert "Sikkerhet sikker" in message.text
    assert "DETTE GJØR DU NÅ\n1. Ring E6.\n" in message.text
    assert message.title == render(sample_alert(_AT), "nb").title
    # The other language is as it was.
    assert render(sample_alert(_AT), "en", templates=tmp_path) == render(sample_alert(_AT))


def test_an_agency_adds_a_language(tmp_path: Path) -> None:
    shutil.copytree(OURS / "nb", tmp_path / "nn")
    assert known(tmp_path) == ("en", "nb", "nn")
    assert faults(tmp_path) == []
    assert render(sample_alert(_AT), "nn", templates=tmp_path).payload["language"] == "nn"
    (tmp_path / "nn" / "confirmed.text.j2").unlink()
    (tmp_path / "nn" / "words.toml").write_text('decimal = ","\n')
    found = faults(tmp_path)
    assert any("nn/confirmed.text.j2: is missing" in fault for fault in found)
    assert any("nn/words.toml: fell is missing; in English it is 'fell {n} dB'" in f for f in found)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("nb/suspeced.title.j2", "x", "nb/suspeced.title.j2: no template has this name"),
        ("nb/suspected.title.j2", "{{ regoin }}", "suspected.title.j2: unknown variable regoin"),
        ("nb/suspected.title.j2", "{% if %}", "nb/suspected.title.j2:1: "),
        ("nb/suspected.title.j2", "{{ region.x }}", "has no attribute 'x'"),
        ("nb/suspected.text.j2", "{{ region / 0 }}", "TypeError"),
        ("nb/suspected.text.j2", "{{ ''.__class__.__mro__ }}", "__class__"),
        ("nb/suspected.short.j2", "{{ region * 9 }} {{ key }}", "not within 160 characters"),
        ("nb/actions/ponding-closed.j2", "{# nothing #}", "ponding-closed.j2: says nothing to do"),
        ("nb/actions/ponding-closed.j2", "{{ actions }}", "unknown variable actions"),
        ("nb/words.toml", "likly = 'x'", "nb/words.toml: no word has the key likly"),
        ("nb/words.toml", "fell = 'falt'", "nb/words.toml: fell needs {n}"),
        ("nb/words.toml", "from_place = '{length} {wind}'", "from_place needs {place}"),
        ("nb/words.toml", "winds = 'nord sør'", "winds must be eight words"),
        ("nb/words.toml", "likely = 'x {n}'", "nb/words.toml: likely has no {n}"),
        ("nb/words.toml", "likely = ", "nb/words.toml cannot be read"),
        ("nb/words.toml", "likely = 3", "words.toml: no text: likely"),
        ("notes.txt", "x", "notes.txt: is no folder named after a language"),
    ],
)
def test_every_fault_is_named_and_silences_nobody(
    tmp_path: Path, name: str, text: str, fault: str
) -> None:
    found = faults(_own(tmp_path, name, text))
    assert any(fault in one for one in found), found
    message, _ = render_somehow(sample_alert(_AT), ("nb",), templates=tmp_path)
    assert "EXERCISE SIMULATED" in message.title
    assert message.payload["language"] == "nb"


def test_a_folder_that_is_not_there_or_empty_is_a_fault(tmp_path: Path) -> None:
    assert "no such folder" in faults(tmp_path / "no")[0]
    assert "holds no language" in faults(tmp_path)[0]


def test_templates_cannot_reach_out_of_their_box(tmp_path: Path) -> None:
    _own(tmp_path, "en/suspected.title.j2", "{{ references.append('x') }}{{ region.__class__ }}")
    with pytest.raises(PermanentError, match="cannot be used"):
        render(sample_alert(_AT), templates=tmp_path)
    _own(tmp_path, "en/confirmed.title.j2", "{% include '../../secret' %}")
    with pytest.raises(PermanentError, match="no message template"):
        render(sample_alert(_AT, "confirmed"), templates=tmp_path)


def test_what_lies_there_is_said_in_the_language() -> None:
    exposure = Make().exposure()
    alert = replace(sample_alert(_AT), exposure=exposure)
    english, norwegian = (render(alert, tag) for tag in ("en", "nb"))
    said = norwegian.payload["exposure"]["words"]
    assert len(said) == len(english.payload["exposure"]["words"])
    assert "1,4 km sørøst for Årdal" in said
    assert "- 1,4 km sørøst for Årdal\n" in norwegian.text
    words = " ".join(said)
    for word in ("crosses", "river", "road", "within", "building", "away", "downstream", "railway"):
        assert word not in words, words
        assert word not in norwegian.text.split("REFERANSE")[0].replace("OpenStreetMap", "")
    assert norwegian.payload["exposure"]["things"] == english.payload["exposure"]["things"]


@given(st.text(max_size=12), st.dictionaries(st.sampled_from(["n", "thing"]), st.text()))
def test_what_is_filled_in_is_taken_as_it_is(around: str, words: dict[str, str]) -> None:
    around = around.replace("{", "").replace("}", "")
    filled = fill(f"{around}{{thing}} {{n}} {{other}}{around}", **words)
    assert filled == (
        f"{around}{words.get('thing', '{thing}')} {words.get('n', '{n}')} {{other}}{around}"
    )
