"""Words that people describe landslides with. Closed lists, so that inventories can be counted."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Movement(enum.StrEnum):
    """Type of movement after Hungr, Leroueil and Picarelli (2014, Landslides 11, 167-194)."""

    UNKNOWN = "unknown"
    ROCK_FALL = "rock/ice fall"
    DEBRIS_FALL = "boulder/debris/silt fall"
    ROCK_BLOCK_TOPPLE = "rock block topple"
    ROCK_FLEXURAL_TOPPLE = "rock flexural topple"
    SOIL_TOPPLE = "gravel/sand/silt topple"
    ROCK_ROTATIONAL_SLIDE = "rock rotational slide"
    ROCK_PLANAR_SLIDE = "rock planar slide"
    ROCK_WEDGE_SLIDE = "rock wedge slide"
    ROCK_COMPOUND_SLIDE = "rock compound slide"
    ROCK_IRREGULAR_SLIDE = "rock irregular slide"
    CLAY_ROTATIONAL_SLIDE = "clay/silt rotational slide"
    CLAY_PLANAR_SLIDE = "clay/silt planar slide"
    DEBRIS_SLIDE = "gravel/sand/debris slide"
    CLAY_COMPOUND_SLIDE = "clay/silt compound slide"
    ROCK_SPREAD = "rock slope spread"
    LIQUEFACTION_SPREAD = "sand/silt liquefaction spread"
    SENSITIVE_CLAY_SPREAD = "sensitive clay spread"
    ROCK_AVALANCHE = "rock/ice avalanche"
    DRY_FLOW = "dry sand/silt/debris flow"
    FLOWSLIDE = "sand/silt/debris flowslide"
    SENSITIVE_CLAY_FLOWSLIDE = "sensitive clay flowslide"
    DEBRIS_FLOW = "debris flow"
    MUD_FLOW = "mud flow"
    DEBRIS_FLOOD = "debris flood"
    DEBRIS_AVALANCHE = "debris avalanche"
    EARTHFLOW = "earthflow"
    PEAT_FLOW = "peat flow"
    MOUNTAIN_DEFORMATION = "mountain slope deformation"
    ROCK_DEFORMATION = "rock slope deformation"
    SOIL_DEFORMATION = "soil slope deformation"
    SOIL_CREEP = "soil creep"
    SOLIFLUCTION = "solifluction"


class Trigger(enum.StrEnum):
    """What set a landslide off."""

    RAINFALL = "rainfall"
    SNOWMELT = "snowmelt"
    EARTHQUAKE = "earthquake"
    VOLCANIC_ACTIVITY = "volcanic activity"
    PERMAFROST_THAW = "permafrost thaw"
    EROSION = "erosion"
    HUMAN_ACTIVITY = "human activity"
    OTHER = "other"


#: Classes of ESA WorldCover 10 m, 2020 and 2021, by code (product user manual 2.0, table 2).
WORLDCOVER: Mapping[int, str] = {
    10: "tree cover",
    20: "shrubland",
    30: "grassland",
    40: "cropland",
    50: "built-up",
    60: "bare or sparse vegetation",
    70: "snow and ice",
    80: "permanent water",
    90: "herbaceous wetland",
    95: "mangroves",
    100: "moss and lichen",
}
