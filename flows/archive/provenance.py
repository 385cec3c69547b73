"""PROVENANCE.md: where the pixels come from, under which licence, and what was done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.archive.manifest import Unused

COPERNICUS = "Contains modified Copernicus Sentinel data"
SIMULATED = (
    "**SIMULATED. The pixels show something that never happened. Do not use them as observations.**"
)
ASSUMED = (
    "NASA reprocessed many looks long after sensing. Those are taken to have come out 12 hours "
    "after sensing (`scarpwatch:published_assumed`), so that a replay shows them in their time."
)


def sensing_years(items: Sequence[dict[str, Any]]) -> str:
    """Return the years of sensing for the Copernicus credit, ``2021-2025`` or ``2024``."""
    years = [datetime.fromisoformat(item["properties"]["datetime"]).year for item in items]
    first, last = min(years), max(years)
    return str(first) if first == last else f"{first}-{last}"


def opera_facts(items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return what is to be said of OPERA RTC-S1 looks."""
    bursts = sorted({item["properties"]["opera:burst_id"] for item in items})
    return {
        "Product": f"OPERA L2 RTC-S1, made by NASA/JPL. {COPERNICUS} {sensing_years(items)}.",
        "Bursts": ", ".join(bursts),
        "Pixels": "gamma0, linear power, float32, NaN where nothing was observed",
    }


def write_provenance(
    path: Path, collection: dict[str, Any], items: Sequence[dict[str, Any]], *, source: str,
    changes: str, unused: Sequence[Unused] = (), superseded: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write the provenance file of an archive.

    Args:
        path: of the file.
        collection: STAC collection.
        items: its items.
        source: where the pixels come from.
        changes: what was done to them.
        unused: what could not be used.
        superseded: what was left out for a newer processing.
        facts: what the product is, by name; OPERA RTC-S1 where nothing else is said.
    """
    assumed = sum(item["properties"]["scarpwatch:published_assumed"] for item in items)
    moments = sorted(item["properties"]["datetime"] for item in items)
    lines = [f"# {collection['title']}", ""]
    if collection["scarpwatch:simulated"]:
        lines += [SIMULATED, ""]
    lines += [
        f"- Source: {source}",
        f"- Licence: {collection['license']}",
        f"- Content: {len(items)} looks, {moments[0]} to {moments[-1]}",
        *(f"- {name}: {told}" for name, told in (facts or opera_facts(items)).items()),
        f"- Changes: {changes}",
        f"- Publication times: {assumed} of {len(items)} are assumed"
        + (", see below" if assumed else ""),
    ]
    if assumed:
        lines += ["", ASSUMED]
    if superseded:
        lines += ["", "## Left out for a newer processing", ""]
        lines += [f"- {name}" for name in superseded]
    if unused:
        lines += ["", "## Not usable", ""]
        lines += [f"- {entry.name}: {entry.reason}" for entry in unused]
    path.write_text("\n".join(lines) + "\n", "utf-8")
