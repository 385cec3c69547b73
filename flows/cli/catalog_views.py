"""Findings, offers and comparisons of catalogues, for people and as documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.cli.documents import as_json
from flows.cli.output import details, minute, plain, some, table

if TYPE_CHECKING:
    from flows.catalogs.offers import Offer
    from flows.catalogs.recorded import Findings, Reason
    from flows.catalogs.scenes import Comparison, Listing, Scene

#: Files and scenes that are shown of a long list; ``--json`` has all.
SHOWN = 20


def findings_document(found: Findings) -> dict[str, Any]:
    """Return what was found in recorded items, counts first."""
    document: dict[str, Any] = {
        "files": found.files,
        "items": found.items,
        "accepted": len(found.looks),
        "refused": len(found.refusals),
        "crashed": len(found.crashes),
    }
    for name in ("refusals", "crashes", "unreadable", "without_items", "unknown_platforms"):
        document[name] = as_json(getattr(found, name))
    return document | {"looks": as_json(found.looks)}


def print_findings(console: Console, found: Findings) -> None:
    """Say how many items would be taken, and group the reasons of the others."""
    kinds = Counter(f"{look.platform}, {look.sensor}" for look in found.looks)
    console.print(
        details(
            [
                ("files", f"{found.files}, {len(found.without_items)} without items"),
                ("items", str(found.items)),
                ("accepted", f"[ok]{len(found.looks)}[/]"),
                ("refused", f"[warn]{len(found.refusals)}[/]" if found.refusals else "0"),
                ("crashed", f"[fail]{len(found.crashes)}[/]" if found.crashes else "0"),
            ]
        )
    )
    if kinds:
        taken = table("Accepted", "Items")
        for kind, number in sorted(kinds.items()):
            taken.add_row(plain(kind), str(number))
        console.print(taken)
    if found.unknown_platforms:
        names = ", ".join(found.unknown_platforms)
        console.print(f"[warn]unknown platforms, taken all the same:[/] {plain(names)}")
    _print_reasons(console, "Refused because", found.refusals)
    _print_reasons(console, "Crashed, please report", found.crashes)
    _print_reasons(console, "Files that cannot be read", found.unreadable)


def _print_reasons(console: Console, heading: str, reasons: Sequence[Reason]) -> None:
    """Print reasons with their number and one example each."""
    if not reasons:
        return
    by_reason: dict[str, list[Reason]] = {}
    for one in reasons:
        by_reason.setdefault(one.reason, []).append(one)
    rows = table(heading, "Items", "For instance")
    for reason, group in sorted(by_reason.items(), key=lambda entry: -len(entry[1])):
        rows.add_row(plain(reason), str(len(group)), plain(f"{group[0].id} in {group[0].file}"))
    console.print(rows)


def print_offers(console: Console, found: Sequence[Offer]) -> None:
    """Print the catalogues and what they offer."""
    rows = table("Catalogue", "Collections", "Reading needs", "Token")
    for offer in found:
        needs = offer.needs or ("what its members need" if offer.members else "")
        inside = f"\n[dim]{plain(', '.join(offer.members))}[/]" if offer.members else ""
        rows.add_row(
            f"[name]{plain(offer.name)}[/]\n[dim]{plain(offer.kind)}[/]",
            plain(", ".join(offer.collections)) + inside,
            plain(needs),
            "[ok]set[/]" if offer.token_set else "[dim]none[/]",
        )
    console.print(rows)
    console.print('A source in a region file: "CATALOGUE/COLLECTION"', markup=False)


def comparison_document(
    region: str,
    span: tuple[datetime, datetime],
    sources: tuple[str, str],
    lists: Sequence[Listing],
    comparison: Comparison,
) -> dict[str, Any]:
    """Return what two catalogues list."""
    left, right = (
        {"source": source, "scenes": len(listed.scenes), "refused": as_json(listed.refused)}
        for source, listed in zip(sources, lists, strict=True)
    )
    document: dict[str, Any] = as_json(
        {
            "region": region, "since": span[0], "until": span[1], "left": left, "right": right,
            "both": comparison.both,
            "only_left": [_scene(scene) for scene in comparison.only_left],
            "only_right": [_scene(scene) for scene in comparison.only_right],
            "other_version": [
                {"scene": one.name, "left": one.acquisition.processing_version,
                 "right": two.acquisition.processing_version}
                for one, two in comparison.other_version
            ],
        }
    )  # fmt: skip
    return document


def _scene(scene: Scene) -> dict[str, Any]:
    look = scene.acquisition
    names = ("item_id", "platform", "track", "sensed_at", "published_at", "processing_version",
             "cloud_cover")  # fmt: skip
    return {"scene": scene.name, **{name: getattr(look, name) for name in names}}


def print_comparison(
    console: Console, sources: tuple[str, str], lists: Sequence[Listing], comparison: Comparison
) -> None:
    """Say what both list, and name what one lacks."""
    for source, listed in zip(sources, lists, strict=True):
        refused = f", {len(listed.refused)} items refused" if listed.refused else ""
        console.print(f"[name]{plain(source)}[/]  {some(len(listed.scenes), 'scene')}{refused}")
    console.print(f"{some(comparison.both, 'scene')} in both")
    for source, missing in zip(
        reversed(sources), (comparison.only_left, comparison.only_right), strict=True
    ):
        if missing:
            console.print(f"\n[warn]{len(missing)} missing in[/] [name]{plain(source)}[/]")
            rows = table("Scene", "Sensed, UTC", "Item in the other")
            for scene in missing[:SHOWN]:
                look = scene.acquisition
                rows.add_row(plain(scene.name), minute(look.sensed_at), plain(look.item_id))
            console.print(rows)
            if len(missing) > SHOWN:
                console.print(f"  and {len(missing) - SHOWN} more; see --json")
    if comparison.other_version:
        console.print(
            f"\n{some(len(comparison.other_version), 'scene')} with another processing version"
        )
