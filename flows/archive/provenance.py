"""PROVENANCE.md: where the pixels come from, under which licence, and what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
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


def write_provenance(
    path: Path, collection: dict[str, Any], items: Sequence[dict[str, Any]], *, source: str,
    changes: str, unused: Sequence[Unused] = (), superseded: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write the provenance file of an archive."""
    assumed = sum(item["properties"]["scarpwatch:published_assumed"] for item in items)
    bursts = sorted({item["properties"]["opera:burst_id"] for item in items})
    moments = sorted(item["properties"]["datetime"] for item in items)
    years = sensing_years(items)
    lines = [f"# {collection['title']}", ""]
    if collection["scarpwatch:simulated"]:
        lines += [SIMULATED, ""]
    lines += [
        f"- Source: {source}",
        f"- Licence: {collection['license']}",
        f"- Product: OPERA L2 RTC-S1, made by NASA/JPL. {COPERNICUS} {years}.",
        f"- Content: {len(items)} looks, {moments[0]} to {moments[-1]}",
        f"- Bursts: {', '.join(bursts)}",
        "- Pixels: gamma0, linear power, float32, NaN where nothing was observed",
        f"- Changes: {changes}",
        f"- Publication times: {assumed} of {len(items)} are assumed, see below",
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
