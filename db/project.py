"""A ready QGIS project over the views: layers, styles, relations. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from db.layers import LAYERS, Layer
from db.qml import VERSION, document, parts
from db.rasters import Raster, add_rasters

#: Child view and its column, parent view and its column: what a form lists below a feature.
RELATIONS = (
    ("landslide_history", "id", "landslides_current", "id", "Every version"),
    ("landslide_history", "id", "landslides_confirmed", "id", "Every version"),
)


@dataclass(frozen=True, slots=True)
class Server:
    """How QGIS reaches the database; never with a password, which QGIS asks for."""

    database: str
    """Name of the database."""
    host: str
    """Host name, or folder of the Unix socket."""
    port: int
    """Port."""
    user: str = ""
    """Login; empty: QGIS asks, or takes that of the operating system."""


def project(
    server: Server,
    columns: Mapping[str, Mapping[str, str]],
    extent: tuple[float, float, float, float],
    rasters: tuple[Raster, ...] = (),
) -> str:
    """Return the project file, ``.qgs``.

    Args:
        server: where the database is.
        columns: by view: its columns in order, and what each says.
        extent: west, south, east, north of what is shown at first, degrees.
        rasters: kept composites, below the layers of the database.
    """
    root = etree.Element("qgis", version=VERSION, projectname="Scarpwatch")
    etree.SubElement(root, "title").text = "Scarpwatch"
    _crs(etree.SubElement(root, "projectCrs"))
    tree = etree.SubElement(root, "layer-tree-group")
    etree.SubElement(tree, "customproperties")
    order = etree.SubElement(tree, "custom-order", enabled="0")
    canvas = etree.SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    etree.SubElement(canvas, "units").text = "degrees"
    _extent(etree.SubElement(canvas, "extent"), extent)
    _crs(etree.SubElement(canvas, "destinationsrs"))
    layers = etree.SubElement(root, "projectlayers")
    for layer in LAYERS:
        source = datasource(server, layer)
        tree.append(
            etree.Element(
                "layer-tree-layer", id=layer_id(layer.view), name=layer.title, source=source,
                providerKey="postgres", checked="Qt::Checked" if layer.shown else "Qt::Unchecked",
                expanded="1" if layer.shown else "0",
            )
        )  # fmt: skip
        etree.SubElement(order, "item").text = layer_id(layer.view)
        _layer(layers, layer, source, columns[layer.view])
    add_rasters(tree, layers, rasters)
    related = etree.SubElement(root, "relations")
    for child, own, parent, theirs, name in RELATIONS:
        relation = etree.SubElement(
            related, "relation", id=f"{parent}-{child}", name=name, strength="Association",
            referencingLayer=layer_id(child), referencedLayer=layer_id(parent),
        )  # fmt: skip
        etree.SubElement(relation, "fieldRef", referencingField=own, referencedField=theirs)
    return document(root)


def layer_id(view: str) -> str:
    """Return the layer's id in the project; QGIS takes ids of ten letters or less for none."""
    return f"analysts_{view}"


def datasource(server: Server, layer: Layer) -> str:
    """Return what QGIS opens a layer by."""
    login = f" user={_quoted(server.user)}" if server.user else ""
    # Read-only layers have no primary key that PostgreSQL could tell of.
    return (
        f"dbname={_quoted(server.database)} host={_quoted(server.host)} port={server.port}{login}"
        f" key={_quoted(','.join(layer.key))} estimatedmetadata=true srid=4326"
        f" type={layer.geometry} checkPrimaryKeyUnicity='0'"
        f' table="analysts"."{layer.view}" (geometry)'
    )


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _layer(layers: etree._Element, layer: Layer, source: str, columns: Mapping[str, str]) -> None:
    found = etree.SubElement(
        layers, "maplayer", type="vector", geometry="Polygon",
        labelsEnabled=str(int(bool(layer.label))), readOnly=str(int(not layer.edited)),
    )  # fmt: skip
    for tag, said in (
        ("id", layer_id(layer.view)),
        ("datasource", source),
        ("layername", layer.title),
    ):
        etree.SubElement(found, tag).text = said
    _crs(etree.SubElement(found, "srs"))
    etree.SubElement(found, "provider", encoding="UTF-8").text = "postgres"
    for part in parts(layer, columns):
        found.append(part)


def _crs(parent: etree._Element) -> None:
    crs = etree.SubElement(parent, "spatialrefsys")
    etree.SubElement(crs, "authid").text = "EPSG:4326"
    etree.SubElement(crs, "srid").text = "4326"


def _extent(parent: etree._Element, extent: tuple[float, float, float, float]) -> None:
    for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True):
        etree.SubElement(parent, tag).text = repr(value)
