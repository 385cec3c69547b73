"""``scarpwatch evaluate-series`` and ``date-series``: places of a few pixels, seen for years."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, date_option, require_folder
from flows.cli.output import aside, details, emit, plain, progress, screen, some, table

if TYPE_CHECKING:
    from flows.series import Evaluated, Judged


def evaluate_series(
    series: Annotated[Path, typer.Option(metavar="DIR", help="CSV files, one a burst and site.")],
    sites: Annotated[Path, typer.Option(metavar="FILE", help="GeoJSON: change_label by site_id.")],
    detector: Annotated[
        str, typer.Option(metavar="NAME", help="series_step, sar_log_ratio or sar_disturbance.")
    ] = "series_step",
    by_series: Annotated[
        bool, typer.Option("--by-series", help="Say of each series what was raised when.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count false alarms and found changes of a detector on labelled series.

    Quiet are sites labelled noChange, changed those labelled VLmaj. Found: an alarm within 90 days
    after the change; every earlier one is false. Each look is judged by earlier looks only.
    """
    from detectors import series_detectors
    from flows import series as evaluating
    from flows.cli import documents

    asked = series_detectors.create(detector)
    paths = evaluating.find(series)
    with progress(len(paths), "series", hidden=as_json) as done:
        evaluated = evaluating.evaluate(paths, sites, asked, done)
    for reason in evaluated.refused:
        aside().print(f"[warn]left out:[/] {plain(reason)}", soft_wrap=True)
    if as_json:
        document = dataclasses.asdict(evaluated.figures)
        if by_series:
            document["by_series"] = [_judged_document(one) for one in evaluated.judged]
        emit(documents.as_json(document))
        return
    _print_evaluated(evaluated, asked.name, asked.level, by_series=by_series)


def _judged_document(one: Judged) -> dict[str, Any]:
    return {
        "series": one.name,
        "site": one.site.id,
        "label": one.site.label,
        "change_time": one.site.changed_at,
        "judged_from": one.judged_at[0] if one.judged_at else None,
        "judged_to": one.judged_at[-1] if one.judged_at else None,
        "alarms": list(one.alarms),
        "false": list(one.false),
        "counts_as_changed": one.counts_as_changed,
        "delay_days": one.delay.total_seconds() / 86_400 if one.delay is not None else None,
    }


def _print_evaluated(evaluated: Evaluated, name: str, level: float, *, by_series: bool) -> None:
    console = screen()
    console.print(f"[name]{plain(name)}[/]  level {level:g}")
    if by_series:
        rows = table("series", "label", "changed", "judged from", "alarms", "false", "found after")
        for one in evaluated.judged:
            rows.add_row(
                plain(one.name), plain(one.site.label), _day(one.site.changed_at),
                _day(one.judged_at[0] if one.judged_at else None),
                " ".join(_day(alarm) for alarm in one.alarms), str(len(one.false) or ""),
                f"{one.delay.days} d" if one.delay is not None else "",
            )  # fmt: skip
        console.print(rows)
    figures = dataclasses.asdict(evaluated.figures)
    console.print(
        details(
            (key.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
            for key, value in figures.items()
            if value is not None
        )
    )
    if evaluated.refused:
        console.print(f"{some(len(evaluated.refused), 'file')} left out")


def date_series(
    series: Annotated[Path, typer.Argument(metavar="FILE", help="CSV of one burst and site.")],
    begin: Annotated[
        datetime | None, date_option("--from", "The change is known to be later.")
    ] = None,
    end: Annotated[
        datetime | None, date_option("--to", "The change is known to be earlier.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--png", metavar="OUT.png", help="Draw history, fit and posterior."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Date the one lasting step of a series: interval of 90 %, or unknown.

    Fields step several times a year: name with --from and --to which change is meant.
    """
    from detectors.step_dates import date_step
    from flows.cli import dating_view, documents
    from flows.series_files import read_series

    if picture is not None:
        require_folder(picture)
    looks = read_series(series).series
    level = looks.level_db()
    between = (begin or looks.sensed_at[0], end or looks.sensed_at[-1])
    if between[0] >= between[1]:
        raise typer.BadParameter(f"--from {_day(between[0])} is not before --to {_day(between[1])}")
    dated = date_step(looks.sensed_at, level, between)
    if picture is not None:
        from flows.series_picture import draw_dated

        picture.write_bytes(draw_dated(looks, level, dated))
    if as_json:
        emit(
            documents.as_json(
                {"series": looks.name, "track": looks.track} | dating_view.dated_document(dated)
            )
        )
        return
    screen().print(f"[name]{plain(looks.name)}[/]  {plain(looks.track)}")
    step_db = ", ".join(f"{name} {db:+.1f} dB" for name, db in dating_view.bands(dated))
    screen().print(
        details(
            [
                ("date", f"unknown: {dated.unknown}" if dated.unknown else _day(dated.best)),
                ("90 % between", dating_view.day_span(dated)),
                ("step", step_db),
                ("evidence", f"10^{dated.evidence:.1f} against no step"),
                ("looks", str(len(dated.looks))),
            ]
        )
    )


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""
