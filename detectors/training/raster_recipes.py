"""Recipes that read rasters of any bands and map any classes, by name.

Each is a declaration: bands and how they are computed, classes, networks and how they are trained,
tiles, what is done to the map, where it comes from (SCIENCE.md, section 6, and its sources).
Adding one is one entry in ``_RECIPES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from detectors.errors import ConfigurationError
from detectors.networks import Network
from detectors.training import bands as b
from detectors.training.augment import Augmentation
from detectors.training.bands import Band
from detectors.training.recipes import Cycle, MemberSpec

#: The class of what no polygon covers, where a recipe knows one.
BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class Finish:
    """What is done to outlines of a map."""

    buffer_m: float = 0.0
    """They are widened by so much, and what then touches is one."""
    least_m2: float = 0.0
    """Smaller ones are dropped."""
    merged: bool = False
    """Whether all classes, of all models that are asked, become one kind of outline."""


@dataclass(frozen=True, slots=True)
class RasterRecipe:
    """A kind of map and how it is learnt."""

    name: str
    """Also of the model that comes out."""
    says: str
    """What the map shows, in a line."""
    bands: tuple[Band, ...]
    """In this order; none = every band of the rasters, as it is."""
    classes: tuple[str, ...]
    """Their codes count from 0 where the first is the background, else from 1; none = those of the
    labels."""
    members: tuple[MemberSpec, ...]
    """Networks; the mean of those that are best on validation is asked."""
    window: int
    """Side of a tile, pixels."""
    stride: int
    """Distance of neighbouring tiles, pixels."""
    pixel_m: float | None
    """Side of a pixel, metres; None = that of the first raster."""
    source: str
    """Where it comes from, and what differs here."""
    finish: Finish | None = None
    """None = a map alone, without outlines."""
    makes: str = "class"
    """What the band of its map is called: the name of a band where other recipes look at it."""

    @property
    def background(self) -> bool:
        """Whether what no polygon covers is a class; otherwise it is unknown."""
        return not self.classes or self.classes[0] == BACKGROUND

    @property
    def first_code(self) -> int:
        """Code of the first class in labels and maps."""
        return 0 if self.background else 1


_UNET = Network("Unet", "tu-resnet10t", {"encoder_depth": 4, "decoder_channels": (32, 32, 24, 16)})
_UNET_PLUS = Network(
    "UnetPlusPlus", "tu-resnet10t", {"encoder_depth": 4, "decoder_channels": (32, 24, 16, 16)}
)
_RESIDUAL = Network(
    "Unet", "tu-resnet18", {"encoder_depth": 4, "decoder_channels": (32, 32, 24, 16)}
)
#: The encoder that the source names holds 3.6 million parameters: the one network over the limit.
_EFFICIENT = Network(
    "Unet", "tu-efficientnet_b0", {"encoder_depth": 4, "decoder_channels": (32, 32, 24, 16)}
)
_SEED = 7


def member(
    name: str, network: Network, loss: str, epochs: int, patience: int = 10, rate: float = 2e-3
) -> tuple[MemberSpec]:
    """Return one network, trained on tiles as they are, turned and mirrored."""
    cycle = Cycle(
        epochs=epochs, batch=8, learning_rate=rate, sides=(), patience=patience,
        augmentation=Augmentation.quarters(),
    )  # fmt: skip
    return (MemberSpec(name, network, loss, _SEED, (cycle,)),)


_SLIDES = (BACKGROUND, "landslide")
_OUTLINES = Finish()
_RADAR = (b.PRE_VV, b.POST_VV, b.D_VV, b.PRE_VH, b.POST_VH, b.D_VH)
_LOOKED = (*_RADAR, b.LAYOVER, b.SHADOW, b.LIA)
_POST = b.given("post_red", "post_green", "post_blue", "post_nir", meaning="reflectance, 0 to 1")
_OPTICAL = (b.LAND_COVER, b.D_NDVI)
_ARTICLE_V = "Article V, table 2; tiles and encoder are smaller, one network instead of ninety"
_ARTICLE_III = "Article III, table 1"


def _landslide(name: str, bands: tuple[Band, ...], says: str, source: str) -> RasterRecipe:
    return RasterRecipe(
        name, says, bands, _SLIDES, member("unet++", _UNET_PLUS, "bce+dice", 60), 128, 64, None,
        source, _OUTLINES,
    )  # fmt: skip


def _local(name: str, bands: tuple[Band, ...], says: str) -> RasterRecipe:
    recipe = _landslide(name, bands, f"landslides of one event, {says}", _ARTICLE_III)
    return replace(recipe, members=member("unet", _UNET, "bce+dice", 40))


_ALL = (
    _landslide("landslide-s1", _LOOKED, "landslides by radar alone", _ARTICLE_V),
    _landslide("landslide-s2", _OPTICAL, "landslides by optical change", _ARTICLE_V),
    _landslide("landslide-s1s2", (*_LOOKED, *_OPTICAL), "landslides by both", _ARTICLE_V),
    _landslide(
        "landslide-all",
        (*_LOOKED, b.ELEVATION, b.SLOPE, b.CLIMATE, b.TREE_HEIGHT, *_OPTICAL),
        "landslides by all fifteen bands", _ARTICLE_V,
    ),
    _local("landslide-local", (b.PRE_VV, b.POST_VV, b.D_NDVI), "by VV and NDVI (its best)"),
    _local(
        "landslide-local-13", (*_RADAR, *_POST, b.D_NDVI, b.ELEVATION, b.SLOPE), "by thirteen bands"
    ),
    _local("landslide-local-5", (*_POST, b.D_NDVI), "by optical bands"),
    _local("landslide-local-2", (b.PRE_VV, b.POST_VV), "by VV alone"),
    RasterRecipe(
        "outcrop", "bedrock, from the shape of the ground",
        (b.SLOPE, b.ELEVATION, b.SLOPE_SUM, b.RELATIVE_RELIEF, b.VALLEY_DEPTH, b.TPI3, b.TPI9),
        (BACKGROUND, "bedrock"), member("unet", _UNET, "bce+dice", 15, 0), 128, 64, 10.0,
        "Article I, table 1; ridges of the valley depth by closing, not by interpolation",
    ),
    RasterRecipe(
        "outcrop-landsat", "bedrock, from nine bands of Landsat 8, which failed in the article",
        b.given("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B10", "B11", meaning="Landsat 8"),
        (BACKGROUND, "bedrock"), member("unet", _UNET, "bce+dice", 15, 0), 128, 64, 30.0,
        "Article I, section 3.1.2",
    ),
    RasterRecipe(
        "wetland", "open wetlands",
        (
            *(Band(name, "reflectance, median of looks", over="median")
              for name in ("B03", "B08", "B12")),
            b.index("ndvi", "25th percentile"),
            *(b.index(name, "median") for name in
              ("nbr", "red_green", "psri", "grvi", "rervi", "evi", "cri1", "gndvi", "pssr")),
            b.CANOPY_HEIGHT,
        ),
        (BACKGROUND, "wetland"), member("unet", _UNET, "jaccard", 50), 128, 64, 10.0,
        "Article II, table 1, looks of August to October; a smaller U-Net, rate 0.002 for 0.1",
    ),
    RasterRecipe(
        "gully", "ravines, sharp and smooth",
        (b.SLOPE, b.TPI_100M, b.ROUGHNESS_5M), (BACKGROUND, "sharp", "smooth"),
        member("unet", _UNET, "bce+dice", 40), 256, 128, 1.0,
        "Article VI; classes and two models (of all places, of some) merge into one outline",
        Finish(buffer_m=5.0, least_m2=5000.0, merged=True),
    ),
    RasterRecipe(
        "erosion", "how far land is degraded", b.given("ndvi", meaning="NDVI, -1 to 1"),
        ("normal", "initial", "progressive", "degraded"),
        member("efficientnet", _EFFICIENT, "focal", 10, 0, 1e-3), 256, 128, None,
        "Bolsynbek et al. 2025; AdamW and one cycle of the rate for Adam and ReduceLROnPlateau",
        _OUTLINES,
    ),
    RasterRecipe(
        "land-cover", "ten classes of land cover",
        b.given("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12",
                meaning="reflectance, 0 to 1"),
        ("coniferous", "mixed forest", "built-up", "mature crop", "bare soil", "grass", "road",
         "water", "growing crop", "quarry"),
        member("unet", _UNET, "bce+dice", 40), 128, 64, 10.0,
        "Kramarczyk & Hejmanowska 2023; dates are places of their own",
        Finish(least_m2=2500.0), b.LAND_COVER.name,
    ),
    RasterRecipe(
        "prakash", "landslides by colour before and after, and by the ground",
        (
            *b.given("pre_red", "pre_green", "pre_blue", meaning="reflectance, 0 to 1"),
            *_POST[:3], b.SLOPE, b.HILLSHADE, b.ELEVATION,
        ),
        _SLIDES, member("residual-unet", _RESIDUAL, "bce+dice", 40), 128, 64, 10.0,
        "Prakash et al. 2021, in Article III", _OUTLINES,
    ),
    RasterRecipe(
        "bring-your-own", "whatever your polygons outline", (), (),
        member("unet", _UNET, "bce+dice", 30), 128, 64, None,
        "Redick et al., a workflow for those who do not write code", _OUTLINES,
    ),
)  # fmt: skip

_RECIPES: Mapping[str, RasterRecipe] = {recipe.name: recipe for recipe in _ALL}


def shortened(
    recipe: RasterRecipe, window: int | None = None, epochs: int | None = None,
    steps: int | None = None, network: Network | None = None,
) -> RasterRecipe:  # fmt: skip
    """Return a recipe with other tiles, fewer epochs, fewer batches or another network."""
    members = []
    for spec in recipe.members:
        cycle = spec.cycles[0]
        cycle = replace(cycle, epochs=epochs or cycle.epochs, steps=steps or cycle.steps)
        members.append(replace(spec, cycles=(cycle,), network=network or spec.network))
    if window is not None:
        recipe = replace(recipe, window=window, stride=window // 2)
    return replace(recipe, members=tuple(members))


def names() -> tuple[str, ...]:
    """Return the recipes that there are."""
    return tuple(_RECIPES)


def get(name: str) -> RasterRecipe:
    """Return the recipe of that name.

    Raises:
        ConfigurationError: there is no such recipe.
    """
    try:
        return _RECIPES[name]
    except KeyError:
        raise ConfigurationError(f"no recipe {name!r}; known: {', '.join(names())}") from None
