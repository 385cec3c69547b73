"""When a landslide happened, as people and programs read it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from alerts.wording import span
from detectors.dating import Bracket
from detectors.errors import ConfigurationError
from detectors.step_dates import Dated
from flows.cli.documents import as_json
from flows.cli.output import details, minute, plain, some
from flows.dating import LandslideDate, TrackDate


def dated_document(dated: Dated) -> dict[str, Any]:
    """Return what a history tells; without an answer date and interval are null."""
    known = dated.unknown is None
    return {
        "looks": len(dated.looks),
        "known": known,
        "reason": dated.unknown,
        "date": dated.best if known else None,
        "not_before": dated.not_before if known else None,
        "not_after": dated.not_after if known else None,
        "credible": 0.9,
        "log10_bayes_factor": dated.evidence,
        "step_db": dict(bands(dated)),
        "posterior": [
            {"from": before, "to": after, "probability": share}
            for before, after, share in zip(
                dated.looks[:-1], dated.looks[1:], map(float, dated.probability), strict=True
            )
            if share >= 0.001
        ],
    }


def bands(dated: Dated) -> list[tuple[str, float]]:
    """Return the step by polarisation, dB."""
    return list(zip(("VV", "VH"), dated.step_db, strict=True))


def day_span(dated: Dated) -> str:
    """Return the interval of 90 % in words."""
    return f"{dated.not_before:%Y-%m-%d} and {dated.not_after:%Y-%m-%d}"


def document(found: LandslideDate) -> dict[str, Any]:
    """Return both answers as JSON."""
    told: dict[str, Any] = as_json(
        {
            "landslide": found.landslide.id,
            "simulated": found.landslide.simulated,
            "bracket": found.bracket,
            "tracks": [_track_document(track) for track in found.tracks],
        }
    )
    return told


def _track_document(track: TrackDate) -> dict[str, Any]:
    told = {"looks": len(track.series), "known": False, "reason": track.unknown}
    known = {"track": track.track, "left_out": track.left_out}
    return known | (told if track.dated is None else dated_document(track.dated))


def print_dated(console: Console, found: LandslideDate) -> None:
    """Print both answers."""
    drill = "  [drill]SIMULATED: this never happened[/]" if found.landslide.simulated else ""
    console.print(f"[name]Landslide {found.landslide.id}[/]{drill}")
    console.print("\n[name]Between looks[/]")
    console.print(details(_bracket(found.bracket)))
    console.print("\n[name]By the history of its own pixels[/]")
    if not found.tracks:
        console.print("  no radar track shows it in VV and VH")
    for track in found.tracks:
        lost = f", {some(track.left_out, 'pass', 'passes')} unreadable" if track.left_out else ""
        console.print(f"  {plain(track.track)}, {some(len(track.series), 'look')}{lost}")
        console.print(details(_history(track)))


def _bracket(between: Bracket | None) -> list[tuple[str, str]]:
    if between is None:
        return [("when", "no look that saw it is known")]
    last = between.not_before
    width = f" ({span(between.not_after - last)})" if last else ""
    return [
        ("after", f"{minute(last)} UTC" if last else "unknown: no look of the kind came before"),
        ("by", f"{minute(between.not_after)} UTC{width}"),
        ("say otherwise", some(len(between.conflicts), "look") if between.conflicts else ""),
        ("never saw it", plain(", ".join(between.blind))),
    ]


def _history(track: TrackDate) -> list[tuple[str, str]]:
    if track.dated is None:
        return [("date", f"unknown: {plain(track.unknown)}")]
    dated = track.dated
    known = f"about {dated.best:%Y-%m-%d}, 90 % between {day_span(dated)}"
    return [
        ("date", f"unknown: {plain(dated.unknown)}" if dated.unknown else known),
        ("step", ", ".join(f"{name} {db:+.1f} dB" for name, db in bands(dated))),
        ("evidence", f"10^{dated.evidence:.1f} against no step"),
    ]


def draw(found: LandslideDate) -> bytes:
    """Return a PNG of the history with most evidence.

    Raises:
        ConfigurationError: no history tells anything.
    """
    from flows.series_picture import draw_dated

    told = [(track, track.dated) for track in found.tracks if track.dated is not None]
    if not told:
        raise ConfigurationError("no track has enough looks for a history; leave --png out")
    track, dated = max(told, key=lambda one: one[1].evidence)
    return draw_dated(track.series, track.series.level_db(), dated)
