"""What analysts see of each view in QGIS: its name, colours, labels and forms. Pure.

Colours are of the states, as on the web page; hatching means that it never happened.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors.attributes import Movement, Trigger
from detectors.types import State, Tier

#: Fill by state, RGB: told apart by people who do not see red and green alike, and on paper.
COLOURS: dict[State, tuple[int, int, int]] = {
    State.SUSPECTED: (230, 159, 0),
    State.CONFIRMED: (178, 74, 0),
    State.UNRESOLVED: (89, 89, 89),
    State.CLOSED: (140, 140, 140),
    State.REFUTED: (0, 114, 178),
}
#: What people mapped.
MAPPED = (0, 90, 60)
#: Over: drawn as outlines only.
OVER = (State.CLOSED, State.REFUTED)
HIDDEN_FROM_LABELS = (State.REFUTED,)


@dataclass(frozen=True, slots=True)
class Rule:
    """Features that look alike."""

    label: str
    """In the legend."""
    where: str
    """QGIS expression; empty takes all."""
    colour: tuple[int, int, int]
    """Of fill and outline, RGB."""
    fill: float = 0.35
    """How opaque the fill is, 0 to 1."""
    dashed: bool = False
    """The outline is dashed."""
    hatched: bool = False
    """Drawn over the others, as hatching without a fill."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One view as a layer."""

    view: str
    """Name in the schema ``analysts``."""
    title: str
    """What people read."""
    key: tuple[str, ...]
    """Columns that together are unique."""
    geometry: str
    """``MultiPolygon`` or ``Polygon``."""
    rules: tuple[Rule, ...]
    """Drawn in this order."""
    label: str
    """QGIS expression of the label; empty: none."""
    choices: dict[str, tuple[str, ...]]
    """Columns that take one of a list, where they can be edited."""
    edited: tuple[str, ...] = ()
    """Columns that can be edited, beside the outline; empty: the layer is read-only."""
    shown: bool = True
    """Switched on in the ready project."""


def _by_state(fill: float = 0.35) -> tuple[Rule, ...]:
    rules = []
    for state, colour in COLOURS.items():
        is_state = f"\"state\" = '{state}'"
        if state is not State.SUSPECTED:
            rules.append(Rule(state.value, is_state, colour, 0.0 if state in OVER else fill))
            continue
        for tier in (Tier.LIKELY, Tier.WATCH):
            watch = tier is Tier.WATCH
            rules.append(
                Rule(
                    f"{state}, {tier}", f"{is_state} AND \"tier\" = '{tier}'", colour,
                    fill / 2 if watch else fill, dashed=watch,
                )
            )  # fmt: skip
    return (*rules, SIMULATED)


SIMULATED = Rule(
    "SIMULATED or EXERCISE: never happened", '"simulated" OR "exercise"', (0, 0, 0), hatched=True
)
_MARK = "CASE WHEN \"simulated\" OR \"exercise\" THEN 'SIMULATED ' ELSE '' END"
_WHAT = (
    f"{_MARK} || \"kind\" || '\\n' || round(\"area_m2\" / 10000.0, 1) || ' ha, before '"
    " || format_date(\"not_after\", 'yyyy-MM-dd')"
)
_NOT_REFUTED = " AND ".join(f"\"state\" <> '{state}'" for state in HIDDEN_FROM_LABELS)
_LABEL = f"CASE WHEN {_NOT_REFUTED} THEN {_WHAT} END"

_SEEN = "\"sensor\" || ' ' || format_date(\"sensed_at\", 'yyyy-MM-dd') || '\\n'"
_SCORES = "\"kind\" = 'score'"

#: From the top of the legend to its bottom.
LAYERS: tuple[Layer, ...] = (
    Layer(
        "landslides_edit", "Edit outlines", ("id",), "MultiPolygon",
        (Rule("outline", "", (0, 0, 0), 0.0, dashed=True),), "",
        {
            "type": tuple(one.value for one in Movement),
            "trigger": tuple(one.value for one in Trigger),
        },
        ("land_cover", "mapping_source", "trigger", "type", "merged_into", "split_from", "note"),
        shown=False,
    ),
    Layer(
        "landslides_current", "Landslides", ("id",), "MultiPolygon", _by_state(), _LABEL, {}
    ),
    Layer(
        "landslides_confirmed", "Inventory (confirmed)", ("id",), "MultiPolygon",
        (Rule("confirmed", "", COLOURS[State.CONFIRMED], 0.5), SIMULATED), "", {}, shown=False,
    ),
    Layer(
        "landslide_history", "Every version", ("id", "revision"), "MultiPolygon",
        _by_state(0.0), "\"revision\"", {}, shown=False,
    ),
    Layer(
        "inventory_landslides", "Imported inventories", ("id",), "MultiPolygon",
        (
            Rule("mapped", "\"duplicate_of\" IS NULL", MAPPED, 0.25),
            Rule("mapped before", "\"duplicate_of\" IS NOT NULL", MAPPED, 0.0, dashed=True),
            Rule("SIMULATED: never happened", "\"simulated\"", (0, 0, 0), hatched=True),
        ),
        "CASE WHEN \"simulated\" THEN 'SIMULATED ' ELSE '' END || \"inventory\" || ' ' ||"
        " coalesce(nullif(\"name\", ''), nullif(\"key\", ''),"
        " format_date(\"not_after\", 'yyyy-MM-dd'), '')",
        {},
    ),
    Layer(
        "detections", "Detections, look by look", ("id",), "Polygon",
        (
            Rule("radar", "\"source\" = 'sar'", (86, 180, 233), 0.2),
            Rule("optical", "\"source\" = 'optical'", (0, 158, 115), 0.2),
            SIMULATED,
        ),
        "", {}, shown=False,
    ),
    Layer(
        "negative_reports", "Looks that found nothing", ("region_id", "acquisition_id"), "Polygon",
        (Rule("seen, nothing found", "", (0, 158, 115), 0.05),),
        f"{_SEEN} || round(\"km2_seen\") || ' km² seen'", {}, shown=False,
    ),
    Layer(
        "observability", "What looks could see", ("region_id", "acquisition_id"), "Polygon",
        (
            Rule("80 % or more", "\"share_seen\" >= 0.8", (0, 114, 178), 0.15),
            Rule("less than 80 %", "\"share_seen\" < 0.8", (204, 121, 167), 0.15),
        ),
        f"{_SEEN} || round(100 * \"share_seen\") || ' % seen'", {}, shown=False,
    ),
    Layer(
        "composites", "Outlines of kept composites", ("id",), "Polygon",
        # The four layers of an item share their outline: that of its scores stands for all.
        (
            Rule("radar", f"{_SCORES} AND \"sensor\" = 'sar'", (86, 180, 233), 0.0),
            Rule("optical", f"{_SCORES} AND \"sensor\" = 'optical'", (0, 158, 115), 0.0),
            Rule(SIMULATED.label, f"{_SCORES} AND ({SIMULATED.where})", (0, 0, 0), hatched=True),
        ),
        f"CASE WHEN {_SCORES} THEN {_MARK} || {_SEEN} || coalesce(\"detector\", '') END",
        {}, shown=False,
    ),
)  # fmt: skip
