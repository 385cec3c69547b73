"""The frozen figures of the simulator, read from ``parameters.toml`` beside this module.

The file says where every figure comes from. Names here and there are the same, and a name too many
or too few is refused, so that no figure can be meant and not be used.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, get_args, get_type_hints

from detectors.errors import ConfigurationError

#: By polarisation, in this order, wherever a figure is a pair.
POLARISATIONS = ("VV", "VH")
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Radar:
    """The instrument and its processor."""

    source: str
    """Where the figures come from, as in every class here."""
    looks: float
    """Equivalent number of looks of the speckle: mean squared over variance of linear power."""
    neighbour_correlation: float
    """Of the speckle of pixels that share a side; none further away."""
    noise_db: float
    """Noise-equivalent gamma0, taken out of the mean by the processor, not out of the scatter."""
    incidence_degrees: Pair
    """Smallest and largest incidence on flat ground."""


@dataclass(frozen=True, slots=True)
class Texture:
    """How pixels of one cover differ for good."""

    source: str
    deviation_db: Pair
    """Standard deviation, by polarisation."""
    roughness: float
    """Fall of the amplitude with frequency."""
    longest_pixels: float
    """Longest wave."""
    between_polarisations: float
    """Correlation of VV and VH."""
    between_directions: float
    """Correlation of what both look directions see."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """How a pixel wanders between dates, speckle apart."""

    source: str
    deviation_db: Pair
    """Standard deviation over a long time, by polarisation."""
    days: float
    """After these the correlation has fallen to 1/e."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How whole scenes differ between dates."""

    source: str
    dry_deviation_db: float
    """Of a dry look as a whole."""
    dry_patch_db: Pair
    """Standard deviation within a dry look, by polarisation, smooth over ``patch_pixels``."""
    wet_probability: float
    """Of a wet look."""
    wet_after_event_probability: float
    """That the first look after a landslide is wet."""
    wet_db: Pair
    """Rise of a wet look over cover of share 1, by polarisation."""
    wet_deviation_db: float
    """Of that rise between wet looks."""
    wet_patch_db: Pair
    """As ``dry_patch_db``, of wet looks."""
    water_deviation_db: Pair
    """Of open water between looks: wind."""
    patch_pixels: float
    """Longest wave within a look."""
    patch_roughness: float
    """Fall of the amplitude with frequency."""


@dataclass(frozen=True, slots=True)
class Snow:
    """Wet snow, above an elevation."""

    source: str
    wet_snow_db: Pair
    """Change over cover of share 1, by polarisation."""
    wet_snow_spread: float
    """Standard deviation of the logarithm of what it is multiplied with, between looks."""
    months: tuple[int, ...]
    """In which there is snow."""
    probability: float
    """That it is wet in a look of these months."""
    line_share: Pair
    """Lowest and highest lower edge, share of the relief."""
    edge_m: float
    """Standard deviation of that edge, metres."""


@dataclass(frozen=True, slots=True)
class Season:
    """The yearly cycle."""

    source: str
    peak_day: float
    """Day of the year of the largest backscatter."""
    peak_deviation_days: float
    """Of that day between scenes."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Backscatter of one land cover."""

    source: str
    level_db: Pair
    """Yearly mean of gamma0 at 38 degrees, by polarisation."""
    season_db: Pair
    """Amplitude of the yearly cycle, by polarisation."""
    per_degree_db: float
    """Rise with local incidence, dB a degree."""
    wet_share: float
    """Share of a wet shift that is seen."""
    snow_share: float
    """Share of a snow shift that is seen."""
    slide_db: Pair
    """Mean change over a landslide, mean of both directions, by polarisation."""
    slide_clear_db: float
    """Change at clear points: ``clear_sigmas`` away from the mean."""


@dataclass(frozen=True, slots=True)
class SlideRules:
    """Landslides: what they do to backscatter, how many, how large, where."""

    source: str
    clear_sigmas: float
    """How many standard deviations clear points are from the mean."""
    share_between: float
    """Share of the variance between landslides; the rest is within."""
    between_polarisations: float
    """Correlation of VV and VH."""
    texture_pixels: float
    """Correlation length within a landslide."""
    scarp_share: float
    """Upper share of the length that is scarp."""
    deposit_share: float
    """Lower share of the length that is deposit."""
    scarp_away_db: float
    """Mean change of a scarp that faces away from the sensor, against the rest."""
    scarp_away_clear_db: float
    """The same at clear points."""
    scarp_towards_db: float
    """The same facing the sensor, mean."""
    deposit_db: float
    """Mean change of a deposit against the rest."""
    deposit_deviation_db: float
    """Of that between landslides: mud to boulders."""
    mud_probability: float
    """That a deposit is smooth mud."""
    mud_db: Pair
    """Change of smooth mud instead, by polarisation."""
    tree_height_m: float
    """Of forest at the edges."""
    edge_near_db: float
    """Change in the radar shadow of trees, on the side of the sensor."""
    edge_far_db: float
    """Change where trunks and ground make a corner, on the other side."""
    pond_probability: float
    """That a landslide is sent to a valley floor, where it dams a pond if the ground allows."""
    dam_height_m: float
    """Of a deposit above the valley floor, at most."""
    pond_pixels: Pair
    """Smallest and largest pond in pixels."""
    count: tuple[int, int]
    """Fewest and most in a scene."""
    pixels: Pair
    """Smallest and largest area in pixels; its logarithm is drawn evenly."""
    elongation: Pair
    """Least and most length over width."""
    steepest_degrees: Pair
    """Slopes they start on."""


@dataclass(frozen=True, slots=True)
class Visible:
    """When a radar can be asked to find a landslide."""

    source: str
    share_observable: float
    """Least share of the outline out of layover and shadow."""
    change_db: float
    """Least noiseless mean change, absolute."""


@dataclass(frozen=True, slots=True)
class LandRules:
    """The mountains."""

    source: str
    relief_m: float
    """Highest over lowest ground."""
    roughness: float
    """Fall of the amplitude with frequency."""
    longest_pixels: float
    """Longest wave."""
    ridges: float
    """Share of ridges and V-shaped valleys, 0 to 1; the rest is rolling."""
    valley_share: float
    """Lowest share of the ground that is flattened to valley floors."""
    water_share: float
    """Share that rivers and lakes take."""
    tree_line_share: float
    """Elevation, as a share of the relief, above which no forest grows."""
    urban_share: float
    """Share of built-up ground."""
    wetland_share: float
    """Share of wetland."""


@dataclass(frozen=True, slots=True)
class Optical:
    """Pictures of Sentinel-2 over the same ground."""

    source: str
    every_days: int
    """Between pictures."""
    before: int
    """Pictures before the landslides."""
    after: int
    """Pictures after them."""
    cloud_shape: Pair
    """Both figures of the beta distribution that cloud cover is drawn from."""
    cloud_after_event: float
    """Least cloud cover of the first picture after the landslides."""
    haze: Pair
    """Least and most that the air adds to blue, reflectance."""
    cloud_height_m: Pair
    """Lowest and highest clouds above ground, metres."""
    peak_day: float
    """Day of the year on which plants cover most."""
    peak_deviation_days: float
    """Of that day between scenes."""


@dataclass(frozen=True, slots=True)
class LookAlikeCount:
    """How many changes that are no landslides."""

    source: str
    count: tuple[int, int]
    """Fewest and most in a scene."""


@dataclass(frozen=True, slots=True)
class LookAlikeRules:
    """One kind of change that is no landslide."""

    source: str
    change_db: Pair
    """Mean change, by polarisation."""
    deviation_db: Pair
    """Of that between places, by polarisation."""
    pixels: Pair
    """Smallest and largest area in pixels."""
    on: tuple[str, ...]
    """Land covers it happens on."""
    steepest_degrees: float
    """Steepest slope it happens on."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """All of it."""

    version: int
    """Rises with every change of a figure."""
    sha256: str
    """Of the file, 64 hexadecimal digits."""
    radar: Radar
    texture: Texture
    scatter: Scatter
    shift: Shift
    snow: Snow
    season: Season
    slide: SlideRules
    visible: Visible
    land: LandRules
    optical: Optical
    look_alikes: LookAlikeCount
    cover: Mapping[str, Cover]
    """By lower-case name of ``LandCover``."""
    look_alike: Mapping[str, LookAlikeRules]
    """By value of ``LookAlikeKind``."""


@cache
def load_parameters() -> Parameters:
    """Read the frozen figures.

    Raises:
        ConfigurationError: the file was damaged.
    """
    content = resources.files("detectors.simulation").joinpath("parameters.toml").read_bytes()
    return read_parameters(content)


def read_parameters(content: bytes) -> Parameters:
    """Read figures from the bytes of a file.

    Raises:
        ConfigurationError: a table or a figure is missing, unknown or of another type.
    """
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"the simulator's parameters are no TOML: {error}") from None
    document["sha256"] = hashlib.sha256(content).hexdigest()
    made: Parameters = _made(Parameters, document, "parameters")
    return made


def _made(kind: Any, value: Any, where: str) -> Any:
    """Return a TOML value as the type a field asks for."""
    named = getattr(kind, "__origin__", None)
    if named is tuple:
        wanted = get_args(kind)
        if wanted[-1] is ...:
            wanted = wanted[:1] * (len(value) if isinstance(value, list) else 0)
        if not isinstance(value, list) or len(value) != len(wanted) or not value:
            raise ConfigurationError(f"{where} takes {len(wanted)} values, not {value!r}")
        return tuple(_made(k, v, where) for k, v in zip(wanted, value, strict=True))
    if named is not None:
        return {key: _made(get_args(kind)[1], v, f"{where}.{key}") for key, v in value.items()}
    if isinstance(value, dict):
        hints = get_type_hints(kind)
        asked = {field.name for field in fields(kind)}
        if asked != value.keys():
            odd = ", ".join(sorted(asked ^ value.keys()))
            raise ConfigurationError(f"{where}: missing or unknown: {odd}")
        return kind(**{key: _made(hints[key], v, f"{where}.{key}") for key, v in value.items()})
    if type(value) is not kind:
        raise ConfigurationError(f"{where} takes {kind.__name__}, not {value!r}")
    return value
