"""Whether an agency's own templates can be used: every fault of a folder, by file.

A folder is asked what no alert should have to find out: misspelt names of files, syntax, unknown
variables, words that are missing, and every template rendered for every kind, state, tier and
exposure there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from itertools import product
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError, meta

from alerts import languages
from alerts.actions import EXPOSED, Exposure, recommended
from alerts.languages import TAG, WORDS, Language, read_words
from alerts.message import PARTS, SHORT_LIMIT, render_in, words_of
from alerts.rules import marks
from alerts.sample import KINDS, sample_alert
from alerts.wording import ENGLISH, blanks
from detectors.errors import ConfigurationError, PermanentError
from detectors.types import Alert, Kind, Sensor, State, Tier

_AT = datetime(2023, 1, 1, 14, 15, tzinfo=UTC)
#: What may lie in the way: unknown, nothing, everything, one thing, a thing in words.
EXPOSURES: tuple[Exposure | None, ...] = (
    None, {}, dict.fromkeys(EXPOSED, 2), {"building": 1}, {"river": "Sjoa"},
)  # fmt: skip


def faults(folder: Path) -> list[str]:
    """Return every fault of a folder of templates, sorted; nothing where it can be used."""
    if not folder.is_dir():
        return [f"{folder}: there is no such folder"]
    found: list[str] = []
    tags = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    if not tags:
        found.append(f"{folder}: holds no language; make a folder such as en or nb in it")
    for tag in tags:
        if not (folder / tag).is_dir() or not TAG.fullmatch(tag):
            found.append(f"{tag}: is no folder named after a language, such as en or nb")
            continue
        found += (f"{tag}/{fault}" for fault in _faults_of(folder, tag))
    return list(dict.fromkeys(found))


def template_names() -> frozenset[str]:
    """Return the names of all templates of a language: those that English has."""
    root = Path(str(files("alerts"))) / "templates" / languages.DEFAULT
    return frozenset(str(one.relative_to(root)) for one in root.rglob("*.j2"))


def _faults_of(folder: Path, tag: str) -> Iterator[str]:
    root, known = folder / tag, template_names()
    there = {str(one.relative_to(root)) for one in root.rglob("*") if one.is_file()}
    for name in sorted(there - known - {WORDS}):
        yield f"{name}: no template has this name, so that nobody reads it"
    complete = tag in languages.shipped()
    if not complete:
        for name in sorted(known - there):
            yield f"{name}: is missing, and there is none of ours in this language"
    yield from _word_faults(root / WORDS, complete=complete)
    try:
        spoken = languages.language.__wrapped__(tag, folder)
    except ConfigurationError as error:
        yield str(error)
        return
    broken = set()
    for name in sorted(there & known):
        for fault in _reading_faults(spoken, root / name, name):
            broken.add(name)
            yield fault
    if not broken:
        usable = known if complete else known & there
        yield from _rendering_faults(spoken, usable)


def _word_faults(path: Path, *, complete: bool) -> Iterator[str]:
    """Name words that are unknown, missing, or lost what is to be filled in."""
    try:
        words = read_words(str(path))
    except ConfigurationError:
        return  # told by whoever loads the language
    for key in sorted(words.keys() - ENGLISH.keys()):
        yield f"{WORDS}: no word has the key {key}"
    if not complete:
        for key in sorted(ENGLISH.keys() - words.keys()):
            yield f"{WORDS}: {key} is missing; in English it is {ENGLISH[key]!r}"
    for key in sorted(words.keys() & ENGLISH.keys()):
        ours, theirs = blanks(ENGLISH[key]), blanks(words[key])
        if lost := ours - theirs:
            yield f"{WORDS}: {key} needs {_bracketed(lost)}"
        if strange := theirs - ours:
            yield f"{WORDS}: {key} has no {_bracketed(strange)}"
    if len(words.get("winds", ENGLISH["winds"]).split()) != len(ENGLISH["winds"].split()):
        yield f"{WORDS}: winds must be eight words, clockwise from north"


def _bracketed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))


def _reading_faults(spoken: Language, path: Path, name: str) -> Iterator[str]:
    """Name what is wrong with a template before it is rendered."""
    try:
        tree = spoken.templates.parse(path.read_text(encoding="utf-8"))
    except TemplateSyntaxError as error:
        yield f"{name}:{error.lineno}: {error.message}"
        return
    except (OSError, ValueError) as error:
        yield f"{name}: cannot be read ({type(error).__name__})"
        return
    allowed = set(words_of(sample_alert(_AT), spoken))
    if not name.startswith("actions/"):
        allowed |= {"actions"}
    for unknown in sorted(meta.find_undeclared_variables(tree) - allowed):
        yield f"{name}: unknown variable {unknown}"


def _rendering_faults(spoken: Language, usable: Collection[str]) -> Iterator[str]:
    """Render everything there is and name what fails, or would not fit."""
    for case, exposure in product(cases(), EXPOSURES):
        landslide = case.landslide
        name = f"actions/{landslide.kind}-{landslide.state}.j2"
        try:
            if name in usable and not recommended(case, spoken, exposure):
                yield f"{name}: says nothing to do"
        except Exception as error:  # noqa: BLE001 - a template may do anything
            yield f"{name}: {_said(error)}"
    for told in messages():
        names = {f"{_named(told)}.{part}.j2" for part in PARTS}
        if not names <= set(usable):
            continue
        try:
            message = render_in(told, spoken)
        except PermanentError as error:
            yield f"{_named(told)}: {error}"
            continue
        keys = (message.key, *message.payload["references"])
        if not any(key in message.short for key in keys):
            yield (
                f"{_named(told)}.short.j2: the key of the alert is not within "
                f"{SHORT_LIMIT} characters, of which {_marks_take(told)} are marks"
            )


def cases() -> Iterator[Alert]:
    """Return an alert of every kind of finding, state, tier and witness."""
    for kind, state, tier, source in product(Kind, State, Tier, Sensor):
        one = sample_alert(_AT)
        landslide = replace(one.landslide, kind=kind, state=state, tier=tier, source=source)
        if source is Sensor.OPTICAL:
            landslide = replace(landslide, change_db=None)
        yield replace(one, landslide=landslide)


def messages() -> Iterator[Alert]:
    """Return an alert of every kind for every kind of finding, at its longest."""
    for kind, what in product(KINDS, Kind):
        one = sample_alert(_AT, kind)
        large = replace(one.landslide, kind=what, area_m2=123_456_789.0)
        yield replace(one, landslide=large, region_name="A region with a long name " * 3)


def _named(alert: Alert) -> str:
    return alert.kind if alert.landslide.kind is Kind.LANDSLIDE else f"ponding-{alert.kind}"


def _marks_take(alert: Alert) -> int:
    return len(marks(exercise=True, simulated=alert.landslide.simulated)) + 2


def _said(error: Exception) -> str:
    """Return what a template's error says."""
    return str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"


def summary(folder: Path) -> Mapping[str, int]:
    """Return how many templates of its own each language of a folder has."""
    known = template_names()
    return {
        one.name: sum(str(f.relative_to(one)) in known for f in one.rglob("*.j2"))
        for one in sorted(folder.iterdir())
        if one.is_dir() and TAG.fullmatch(one.name)
    }
