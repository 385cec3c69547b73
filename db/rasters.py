"""Rasters in the ready QGIS project: kept composites as files or as tiles, and how they look. Pure.

What files hold is drawn by QGIS, in their units; tiles come drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree
from pyproj import CRS

#: Red, green, blue, opacity, 0 to 255.
Colour = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One band in grey, or three in colour."""

    bands: tuple[int, ...]
    """Numbers from 1: one, or red, green, blue."""
    ranges: tuple[tuple[float, float], ...]
    """Drawn from black to white, by band, in the file's unit."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """One band in colours that flow into one another."""

    band: int
    """Number from 1."""
    stops: tuple[tuple[float, Colour], ...]
    """Value and its colour, rising."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes, each with a colour and a name."""

    entries: tuple[tuple[int, Colour, str], ...]
    """Code, colour, name."""


@dataclass(frozen=True, slots=True)
class Raster:
    """One raster layer."""

    id: str
    """In the project."""
    title: str
    """What people read."""
    group: str
    """Rasters of one group stand together."""
    source: str
    """File, or what QGIS opens tiles by."""
    epsg: int
    """Its coordinate system."""
    drawn: Stretch | Ramp | Codes | None
    """How; None: tiles."""
    shown: bool = False
    """Switched on."""

    @property
    def provider(self) -> str:
        """What QGIS reads it with."""
        return "wms" if self.drawn is None else "gdal"


def tiles_source(url: str, deepest: int) -> str:
    """Return what QGIS opens XYZ tiles by.

    Args:
        url: with ``{x}``, ``{y}``, ``{z}``.
        deepest: zoom beyond which QGIS magnifies.
    """
    return f"type=xyz&url={url}&zmin=0&zmax={deepest}"


def add_rasters(tree: etree._Element, layers: etree._Element, rasters: tuple[Raster, ...]) -> None:
    """Put rasters below whatever the project has: groups in the tree, and the layers."""
    groups: dict[str, etree._Element] = {}
    for one in rasters:
        group = groups.get(one.group)
        if group is None:
            group = groups[one.group] = etree.SubElement(
                tree, "layer-tree-group", name=one.group, checked="Qt::Checked", expanded="0"
            )
            etree.SubElement(group, "customproperties")
        etree.SubElement(
            group, "layer-tree-layer", id=one.id, name=one.title, source=one.source,
            providerKey=one.provider, checked="Qt::Checked" if one.shown else "Qt::Unchecked",
        )  # fmt: skip
        _layer(layers, one)


def _layer(layers: etree._Element, one: Raster) -> None:
    found = etree.SubElement(layers, "maplayer", type="raster")
    said = (("id", one.id), ("datasource", one.source), ("layername", one.title))
    for tag, text in said:
        etree.SubElement(found, tag).text = text
    crs = etree.SubElement(etree.SubElement(found, "srs"), "spatialrefsys")
    # Of a system that it does not know by heart QGIS 3.22 wants the words, too.
    etree.SubElement(crs, "wkt").text = CRS.from_epsg(one.epsg).to_wkt()
    etree.SubElement(crs, "authid").text = f"EPSG:{one.epsg}"
    etree.SubElement(crs, "srid").text = str(one.epsg)
    etree.SubElement(found, "provider").text = one.provider
    pipe = etree.SubElement(found, "pipe")
    if isinstance(one.drawn, Stretch):
        _stretch(pipe, one.drawn)
    elif isinstance(one.drawn, Ramp):
        _ramp(pipe, one.drawn)
    elif isinstance(one.drawn, Codes):
        _codes(pipe, one.drawn)


def _stretch(pipe: etree._Element, drawn: Stretch) -> None:
    if len(drawn.bands) == 1:
        made = _renderer(pipe, "singlebandgray", grayBand=str(drawn.bands[0]))
        made.set("gradient", "BlackToWhite")
        names = ["contrastEnhancement"]
    else:
        told = zip(("red", "green", "blue"), drawn.bands, strict=True)
        made = _renderer(pipe, "multibandcolor", **{f"{name}Band": str(n) for name, n in told})
        names = [f"{name}ContrastEnhancement" for name in ("red", "green", "blue")]
    for name, (low, high) in zip(names, drawn.ranges, strict=True):
        stretched = etree.SubElement(made, name)
        etree.SubElement(stretched, "minValue").text = repr(low)
        etree.SubElement(stretched, "maxValue").text = repr(high)
        etree.SubElement(stretched, "algorithm").text = "StretchToMinimumMaximum"


def _ramp(pipe: etree._Element, drawn: Ramp) -> None:
    low, high = drawn.stops[0][0], drawn.stops[-1][0]
    made = _renderer(
        pipe, "singlebandpseudocolor", band=str(drawn.band), classificationMin=repr(low),
        classificationMax=repr(high),
    )  # fmt: skip
    shader = etree.SubElement(
        etree.SubElement(made, "rastershader"), "colorrampshader", colorRampType="INTERPOLATED",
        classificationMode="1", clip="0", minimumValue=repr(low), maximumValue=repr(high),
    )  # fmt: skip
    for value, colour in drawn.stops:
        etree.SubElement(
            shader, "item", value=repr(value), label=f"{value:g}", color=_hex(colour),
            alpha=str(colour[3]),
        )  # fmt: skip


def _codes(pipe: etree._Element, drawn: Codes) -> None:
    palette = etree.SubElement(_renderer(pipe, "paletted", band="1"), "colorPalette")
    for code, colour, name in drawn.entries:
        etree.SubElement(
            palette, "paletteEntry", value=str(code), color=_hex(colour), alpha=str(colour[3]),
            label=name,
        )  # fmt: skip


def _renderer(pipe: etree._Element, kind: str, **told: str) -> etree._Element:
    return etree.SubElement(pipe, "rasterrenderer", type=kind, opacity="1", alphaBand="-1", **told)


def _hex(colour: Colour) -> str:
    red, green, blue, _ = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
