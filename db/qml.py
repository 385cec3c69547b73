"""A layer's style as QML, the XML that QGIS keeps styles in. Pure.

Written for QGIS 3.22 and later, and no more of it than differs from what QGIS does by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from db.layers import Layer, Rule

VERSION = "3.22.0"
#: Blue, and large enough to be read over imagery.
_TEXT = {"fontSize": "8", "fontSizeUnit": "Point", "textColor": "30,30,30,255"}
_HALO = {"bufferDraw": "1", "bufferSize": "0.8", "bufferColor": "255,255,255,220"}
#: Labels stand on the outline; where there is no room there is none.
_PLACEMENT = {"placement": "0", "dist": "1", "priority": "5"}
#: Below this scale labels would cover the map, 1 to so much.
LABELS_FROM = 100_000


def qml(layer: Layer, columns: Mapping[str, str]) -> str:
    """Return the style of a layer.

    Args:
        layer: what to draw.
        columns: what each column of the view says, in the order of the view; becomes the tips of
            the attribute form.
    """
    root = etree.Element("qgis", version=VERSION, styleCategories="AllStyleCategories")
    for part in parts(layer, columns):
        root.append(part)
    return document(root)


def document(root: etree._Element) -> str:
    """Return a whole document as QGIS keeps styles and projects."""
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
    return str(etree.tostring(root, encoding="unicode", pretty_print=True, doctype=doctype))


def parts(layer: Layer, columns: Mapping[str, str]) -> Iterable[etree._Element]:
    """Yield the elements that QML and project files have in common."""
    yield _renderer(layer.rules)
    if layer.label:
        yield _labels(layer.label)
    yield from _fields(layer, columns)
    yield _element("previewExpression", text=layer.label or f'"{layer.key[0]}"')
    yield _element("layerGeometryType", text="2")


def _renderer(rules: Iterable[Rule]) -> etree._Element:
    renderer = _element("renderer-v2", type="RuleRenderer", symbollevels="0", forceraster="0")
    found = etree.SubElement(renderer, "rules", key="rules")
    symbols = etree.SubElement(renderer, "symbols")
    for number, rule in enumerate(rules):
        name = str(number)
        told = {"key": f"rule-{name}", "symbol": name, "label": rule.label}
        etree.SubElement(found, "rule", told | ({"filter": rule.where} if rule.where else {}))
        symbol = etree.SubElement(symbols, "symbol", type="fill", name=name, alpha="1")
        symbol.append(_hatching() if rule.hatched else _fill(rule))
    return renderer


def _fill(rule: Rule) -> etree._Element:
    layer = _element("layer", **{"class": "SimpleFill", "enabled": "1"})
    red, green, blue = rule.colour
    _options(
        layer,
        {
            "color": f"{red},{green},{blue},{round(255 * rule.fill)}",
            "style": "solid",
            "outline_color": f"{red},{green},{blue},255",
            "outline_style": "dash" if rule.dashed else "solid",
            "outline_width": "0.5",
            "outline_width_unit": "MM",
        },
    )
    return layer


def _hatching() -> etree._Element:
    layer = _element("layer", **{"class": "LinePatternFill", "enabled": "1"})
    _options(layer, {"angle": "45", "distance": "2", "distance_unit": "MM"})
    line = etree.SubElement(layer, "symbol", type="line", name="@hatch@0", alpha="1")
    stroke = etree.SubElement(line, "layer", **{"class": "SimpleLine", "enabled": "1"})
    _options(stroke, {"line_color": "0,0,0,160", "line_width": "0.25", "line_width_unit": "MM"})
    return layer


def _labels(expression: str) -> etree._Element:
    labeling = _element("labeling", type="simple")
    settings = etree.SubElement(labeling, "settings")
    style = etree.SubElement(
        settings, "text-style", _TEXT | {"fieldName": expression, "isExpression": "1"}
    )
    etree.SubElement(style, "text-buffer", _HALO)
    etree.SubElement(settings, "text-format", multilineAlign="1")
    etree.SubElement(settings, "placement", _PLACEMENT)
    etree.SubElement(
        settings, "rendering", scaleVisibility="1", scaleMin="0", scaleMax=str(LABELS_FROM)
    )
    return labeling


def _fields(layer: Layer, columns: Mapping[str, str]) -> Iterable[etree._Element]:
    """Yield widgets, names and tips of the attribute form, and what it may change."""
    widgets = _element("fieldConfiguration")
    aliases = _element("aliases")
    editable = _element("editable")
    for index, column in enumerate(columns):
        field = etree.SubElement(widgets, "field", name=column)
        choices = layer.choices.get(column)
        widget = etree.SubElement(field, "editWidget", type="ValueMap" if choices else "TextEdit")
        config = etree.SubElement(widget, "config")
        if choices:
            listed = etree.SubElement(
                etree.SubElement(config, "Option", type="Map"), "Option", type="List", name="map"
            )
            for choice in choices:
                one = etree.SubElement(listed, "Option", type="Map")
                etree.SubElement(one, "Option", type="QString", name=choice, value=choice)
        name = column.replace("_", " ")
        etree.SubElement(aliases, "alias", field=column, index=str(index), name=name)
        may = "1" if column in layer.edited else "0"
        etree.SubElement(editable, "field", name=column, editable=may)
    yield widgets
    yield aliases
    yield editable
    yield _element("mapTip", text=_tip(columns))


def _tip(columns: Mapping[str, str]) -> str:
    """Return what is shown where the pointer rests."""
    wanted = ("kind", "state", "tier", "not_before", "not_after", "area_m2", "cause", "item_id")
    rows = "".join(
        f'<tr><td>{column.replace("_", " ")}</td><td>[% "{column}" %]</td></tr>'
        for column in wanted
        if column in columns
    )
    return f"<table>{rows}</table>"


def _options(parent: etree._Element, values: Mapping[str, str]) -> None:
    options = etree.SubElement(parent, "Option", type="Map")
    for name, value in values.items():
        etree.SubElement(options, "Option", type="QString", name=name, value=value)


def _element(tag: str, /, text: str | None = None, **attributes: str) -> etree._Element:
    made = etree.Element(tag, attributes)
    made.text = text
    return made
