"""Write the one table of all benches, ``bench/README.md``, from what they left in ``results/``.

    python -m bench.summary

Nothing is measured and no figure is typed: a bench that is run again changes its row. A row whose
file is missing says that it was not measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from detectors.backends import TOLERANCE

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results", HERE / "README.md"
#: What a bench left.
type Found = Any
#: Of the database, what the table tells; its own page has all.
QUESTIONS = ("box, a month, QGIS", "tile at zoom 12, a month", "tile at zoom 6, all times",
             "as of, box", "as of, a region")  # fmt: skip

HEAD = """# What was measured

One line a figure; each bench's own page says how, and what was missed. Written by
`make bench` from the files in `results/`: ratios over 1 are ours ahead of what is
beside it. Data are SIMULATED except where a page says otherwise; machines have two cores and no
GPU, and were shared with other work where `load` in the file says so.

| what | ours | beside it | ratio | aim | grows | command | figures |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, as words."""

    what: str
    ours: str
    beside: str
    ratio: str
    aim: str
    grows: str


@dataclass(frozen=True, slots=True)
class Bench:
    """Where figures come from."""

    file: str
    """In ``results/``."""
    command: str
    """That wrote it."""
    rows: Callable[[Found], Iterable[Row]]
    """Reads it."""
    page: str
    """In this folder."""


def _publishing(found: Found) -> Iterator[Row]:
    for one in found["rows"]:
        spent = one["processor_s"]
        yield Row(
            f"one new radar look over {one['km2']:g} km2, catalogue to receiver",
            f"{spent['ours']:.1f} s of processor, {one['peak_mib']} MiB",
            f"reading, detectors, writing alone {spent['bare']:.1f} s",
            f"{spent['bare'] / spent['ours']:.2f}", "0.77", "with blocks",
        )  # fmt: skip


def _verdict(found: Found) -> Iterator[Row]:
    for one in found["rows"]:
        asked, spent = one["asked"]["confirm"], one["processor_s"]
        yield Row(
            f"optical verdict on one landslide, region of {one['km2']:g} km2",
            f"{spent['ours']:.1f} s of processor, {asked['requests']} requests, {asked['mb']} MB",
            f"reading, ensemble, writing alone {spent['bare']:.1f} s",
            f"{spent['bare'] / spent['ours']:.2f}", "0.77", "not with the region",
        )  # fmt: skip


def _database(found: Found) -> Iterator[Row]:
    for name in QUESTIONS:
        told = [one["questions"][name] for one in found["sizes"]]
        last = told[-1]
        aside = last.get("one_table")
        yield Row(
            f"{name}, {' / '.join(f'{one["detections"]:,}' for one in found['sizes'])} detections",
            " / ".join(f"{one['parts']['processor_ms']}" for one in told) + " ms",
            f"in one table {aside['processor_ms']} ms" if aside else "-",
            f"{1 / last['ratio']:.2f}" if aside else "-", "-",
            f"rows ^ {found['growth'][name]}",
        )  # fmt: skip


def _year(found: Found) -> Iterator[Row]:
    for name, one in found.items():
        if not isinstance(one, dict):
            continue
        memory = " / ".join(f"{month['mib']:.0f}" for month in one["months"])
        yield Row(
            f"simulated year, {name.partition('_')[0]}, {one['regions']} regions, "
            f"{one['days']} days", f"{memory} MiB by month",
            "what the simulation made", f"{len(one['wrong'])} wrong", "365 days, 0 wrong", "flat",
        )  # fmt: skip


def _chaos(found: Found) -> Iterator[Row]:
    done = {
        "kills of steps": found["killed"], "other faults": sum(found["faults"].values()),
        "kills of the service": found["services"],
    }  # fmt: skip
    yield Row(
        ", ".join(f"{count} {name}" for name, count in done.items() if count),
        f"{len(found['broken'])} broken", f"{found['checks']} times all rules", "-",
        "1,000 and 30, 0 broken", f"{found['ended']}",
    )  # fmt: skip


def _fuzzing(found: Found) -> Iterator[Row]:
    yield Row(
        f"{found['cases']:,} spoilt inputs", f"{len(found['faults'])} without a name",
        f"slowest {found['slowest_s']:.1f} s", "-", "10,000, 0 without", "-",
    )  # fmt: skip


def _medians(found: Found) -> Iterator[Row]:
    for one in found["rows"]:
        if one["looks"] == 10:
            theirs = one["ms"]["numpy.nanmedian"]
            yield Row(
                f"median of 10 looks, {found['side']} pixels wide, {100 * one['gaps']:.0f} % gaps",
                f"{one['ms']['scarpwatch']} ms", f"`numpy.nanmedian` {theirs} ms",
                f"{one['ratio']['numpy.nanmedian']}", "5", "-",
            )  # fmt: skip


def _compositing(found: Found) -> Iterator[Row]:
    for one in found["rows"]:
        wall, peak = one["wall_s"], one["peak_mb"]
        yield Row(
            f"{one['kind']} composite, {one['km2']:g} km2, {found['looks']} looks, equal output",
            f"{wall['ours']} s, {peak['ours']:.0f} MB",
            f"odc-stac + xarray {wall['peer']} s, {peak['peer']:.0f} MB",
            f"{wall['ratio']} ({one['processor_s']['ratio']} of processor)", "2", "-",
        )  # fmt: skip


def _disturbance(found: Found) -> Iterator[Row]:
    mine = found["scarpwatch"]["processor_s_median"]
    name, theirs = min(
        ((name, one["processor_s_median"]) for name, one in found["distmetrics"].items()),
        key=lambda one: one[1],
    )
    yield Row(
        f"disturbance metric, {found['pixels']} pixels wide, equal to 1e-3",
        f"{mine:.2f} s of processor", f"{name}, its fastest setting: {theirs:.2f} s",
        f"{theirs / mine:.1f}", "2", "-",
    )  # fmt: skip


def _memory(found: Found) -> Iterator[Row]:
    yield Row(
        "memory of a radar product of 100 x 100 km", f"{found['peak_mb']} MB",
        f"limit {found['limit_mb']:.0f} MB", f"{found['limit_mb'] / found['peak_mb']:.1f}", "1",
        "not with area: blocks",
    )  # fmt: skip


def _models(found: Found) -> Iterator[Row]:
    for name in ("verdict", "search"):
        one = found["inference"][name]
        yield Row(
            f"optical ensemble, {name}: the loop around the networks",
            f"{one['megapixels_per_s']:.3f} Mpixel/s", "the networks alone",
            f"{one['share_of_bare']:.2f}", "0.9", "with pixels",
        )  # fmt: skip
        ways = found["backends"]["ways"]
        wanted = ("onnx", "openvino", "onnx, int8", "eager, channels-last, bfloat16")
        for way in (one for one in wanted if one in ways):
            told = ways[way][name]
            beyond = f", the limit is {TOLERANCE}" if told["differs_max"] > TOLERANCE else ""
            yield Row(
                f"{name} by {way}, scores off by {told['differs_max']:.0e} at most{beyond}",
                f"{told['tiles_per_s']:.0f} tiles/s", "what is in use by default",
                f"{told['times_in_use']:.2f}", "1", "-",
            )  # fmt: skip
    step = found["training"]
    yield Row(
        f"training step of {step['configuration']}, CPU", f"{step['samples_per_s']:.1f} samples/s",
        "the bare step", f"{step['share_of_bare_step']:.2f}", "0.9", "with samples",
    )  # fmt: skip


def _polling(found: Found) -> Iterator[Row]:
    alone = {one["regions"]: one for one in found["runs"] if one["asked"] != "together"}
    for one in found["runs"]:
        if one["asked"] == "together" and one["regions"] in alone:
            mine, theirs = one["polls"][-1], alone[one["regions"]]["polls"][-1]
            scale = one["regions"] / (alone[one["regions"]]["sample"] or one["regions"])
            asked = round(theirs["requests"] * scale)
            yield Row(
                f"poll of {one['regions']:,} regions", f"{mine['requests']} requests, "
                f"{mine['s']:.1f} s, {mine['peak_mib']} MiB",
                f"each by itself: {asked:,} requests", f"{asked / mine['requests']:.0f}", "-",
                f"requests ~ regions ^ {found['growth']['together, later, requests']}",
            )  # fmt: skip


def _reading(found: Found) -> Iterator[Row]:
    for one in found["rows"]:
        yield Row(
            f"history of one look, an archive that answers after {1000 * one['late_s']:.0f} ms",
            f"{one['wall_s']['many']} s", f"one file after the other {one['wall_s']['one']} s",
            f"{one['wall_s']['ratio']}", "-", "with files / 8",
        )  # fmt: skip


def _sharing(found: Found) -> Iterator[Row]:
    mine, theirs = (
        sum(one["requests"] for one in found[way] if one["region"] in ("west", "east"))
        for way in ("sharing", "without")
    )
    yield Row(
        "two regions that overlap by half", f"{mine} requests", f"each by itself {theirs}",
        f"{theirs / mine:.1f}", "-", "with ground, not regions",
    )  # fmt: skip


def _despeckling(found: Found) -> Iterator[Row]:
    took = found["processor_s"]
    yield Row(
        f"judging a radar look of {(found['side'] * 0.03) ** 2:,.0f} km2, history despeckled",
        f"{took['kept']} s of processor", f"all despeckled anew {took['without']} s",
        f"{found['ratio']}", "-", f"{found['kept_mb']} MB kept, with ground",
    )  # fmt: skip


def _analysts(found: Found) -> Iterator[Row]:
    for name, one in found["pairs"].items():
        yield Row(
            f"{name}, {found['landslides']:,} landslides", f"{one['now']['cpu']} s of processor",
            f"before {one['before']['cpu']} s", f"{one['ratio_computing']}", "-", "-",
        )  # fmt: skip


#: In the order of the table.
BENCHES = (
    Bench("publishing.json", "python -m bench.publishing", _publishing, "publishing.md"),
    Bench("verdict.json", "python -m bench.verdict", _verdict, "publishing.md"),
    Bench("compositing.json", "python -m bench.compositing", _compositing, "compositing.md"),
    Bench("medians.json", "python -m bench.medians", _medians, "medians.md"),
    Bench("disturbance.json", "python -m bench.disturbance", _disturbance, "sar.md"),
    Bench("memory.json", "python -m bench.memory", _memory, "sar.md"),
    Bench("models.json", "make bench-models", _models, "models.md"),
    Bench("polling.json", "python -m bench.polling", _polling, "polling.md"),
    Bench("despeckling.json", "python -m bench.despeckling", _despeckling, "publishing.md"),
    Bench("reading.json", "python -m bench.reading", _reading, "reading.md"),
    Bench("sharing.json", "python -m bench.sharing", _sharing, "sharing.md"),
    Bench("database.json", "python -m bench.database", _database, "database.md"),
    Bench("analysts.json", "python -m bench.analysts", _analysts, "analysts.md"),
    Bench("year.json", "python -m bench.year", _year, "year.md"),
    *(
        Bench(one.name, "make chaos", _chaos, "chaos.md")
        for one in sorted(RESULTS.glob("chaos-*.json"))
    ),
    *(
        Bench(one.name, "make fuzz", _fuzzing, "chaos.md")
        for one in sorted(RESULTS.glob("fuzzing-*.json"))
    ),
)


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    for bench in BENCHES:
        path = RESULTS / bench.file
        told = f"`{bench.command}`, [{bench.page}]({bench.page})"
        if not path.exists():
            yield f"| {bench.page.removesuffix('.md')} | **not measured** | | | | | {told} | |"
            continue
        figures = f"[{bench.file}](results/{bench.file})"
        for row in bench.rows(json.loads(path.read_text(encoding="utf-8"))):
            yield f"| {' | '.join([*astuple(row), told, figures])} |"


def page() -> str:
    """Return the whole page."""
    return HEAD + "\n".join(lines()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
