"""What people drew: outlines redrawn, landslides made one or several. Pure.

A person's outline outranks every look's: no look moves it, merges it away or splits it. What state
the landslide is in is still for looks, time and verdicts. The database makes the same versions when
somebody edits there (``analysts.landslides_edit``); these are for evidence that comes late.
"""

from __future__ import annotations

from dataclasses import replace

from detectors.types import Cause, Landslide, OutlineEdit, State, Tier


def redrawn(landslide: Landslide, edit: OutlineEdit) -> Landslide:
    """Return the version with the outline that a person drew."""
    return _by_person(
        landslide, edit, f"redrawn by {edit.author}", geometry=edit.geometry, area_m2=edit.area_m2
    )


def made_one(stays: Landslide, gone: Landslide, edit: OutlineEdit) -> tuple[Landslide, Landslide]:
    """Return the version of a landslide that another became part of, and the other's last one."""
    first = gone if gone.not_after < stays.not_after else stays
    whole = _by_person(
        stays, edit, f"one body with {str(gone.id)[:8]}, drawn by {edit.author}",
        geometry=edit.geometry, area_m2=edit.area_m2,
        detections=tuple(dict.fromkeys((*stays.detections, *gone.detections))),
        looks=max(stays.looks, gone.looks),
        score_max=max(stays.score_max, gone.score_max),
        evidence=max(stays.evidence, gone.evidence),
        change_db=gone.change_db if stays.change_db is None else stays.change_db,
        not_before=first.not_before,
        not_after=first.not_after,
        tier=Tier.LIKELY if gone.tier is Tier.LIKELY else stays.tier,
        simulated=stays.simulated or gone.simulated,
        merged_from=(*stays.merged_from, gone.id),
    )  # fmt: skip
    part = _by_person(
        gone, edit, f"part of {str(stays.id)[:8]}, drawn by {edit.author}",
        state=State.CLOSED, merged_into=stays.id, drawn_by=gone.drawn_by,
    )  # fmt: skip
    return whole, part


def made_two(whole: Landslide, edit: OutlineEdit) -> tuple[Landslide, Landslide]:
    """Return the version of a landslide whose part is one of its own now, and the part's first.

    Both keep all detections: they saw both. What is left of the whole is another edit's outline.
    """
    part = edit.landslide_id
    kept = _by_person(
        whole, edit, f"{str(part)[:8]} is a body of its own, drawn by {edit.author}",
        split_into=(*whole.split_into, part),
    )  # fmt: skip
    child = _by_person(
        whole, edit, f"a body of its own, drawn by {edit.author}",
        id=part, revision=1, geometry=edit.geometry, area_m2=edit.area_m2,
        merged_from=(), split_from=whole.id, split_into=(), follows=None,
    )  # fmt: skip
    return kept, child


def _by_person(before: Landslide, edit: OutlineEdit, cause: str, **changes: object) -> Landslide:
    values: dict[str, object] = {
        "revision": before.revision + 1,
        "drawn_by": edit.author,
        "cause": f"{cause}: {edit.reason}" if edit.reason else cause,
        "cause_kind": Cause.PERSON,
        "acquisition_id": None,
        "valid_from": edit.said_at,
    }
    return replace(before, **(values | changes))  # type: ignore[arg-type]
