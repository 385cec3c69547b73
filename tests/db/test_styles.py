"""Styles lie where QGIS looks for them, and nobody else's are touched."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from db import schema
from db.engine import connection
from db.layers import LAYERS
from db.project import Server, datasource, project
from db.styles import columns, extent, store_styles

OWN = """
INSERT INTO public.layer_styles (f_table_catalog, f_table_schema, f_table_name,
    f_geometry_column, stylename, styleqml, useasdefault)
VALUES (current_database(), 'analysts', 'detections', 'geometry', 'mine', '<qgis/>', true)
"""
DEFAULTS = """
SELECT f_table_name, stylename FROM public.layer_styles
WHERE f_table_schema = 'analysts' AND f_table_catalog = current_database() AND useasdefault
"""


def _defaults(engine: Engine) -> dict[str, str]:
    with connection(engine) as opened:
        return {row.f_table_name: row.stylename for row in opened.execute(text(DEFAULTS))}


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """The test's database is a copy under another name, as after a restore."""
    assert _defaults(engine) == {}
    schema.upgrade(engine)
    return engine


def test_every_layer_has_a_style_and_every_column_a_name(engine: Engine) -> None:
    assert _defaults(engine) == {layer.view: "Scarpwatch" for layer in LAYERS}
    with connection(engine) as opened:
        for layer in LAYERS:
            found = columns(opened, layer.view)
            assert set(layer.key) <= set(found)
            assert {*layer.edited, *layer.choices} <= set(found)
            assert all(found.values())


def test_another_style_stays_and_stays_the_default(engine: Engine) -> None:
    with connection(engine) as opened:
        opened.execute(text("DELETE FROM public.layer_styles WHERE f_table_name = 'detections'"))
        opened.execute(text(OWN))
    for _ in range(2):
        schema.upgrade(engine)
    assert _defaults(engine)["detections"] == "mine"
    with connection(engine) as opened:
        assert opened.scalar(text("SELECT count(*) FROM public.layer_styles")) == len(LAYERS) + 1


def test_whoever_may_not_write_there_does_without(engine: Engine) -> None:
    with connection(engine) as opened:
        opened.execute(text("DROP TABLE public.layer_styles"))
        assert store_styles(opened) == ()
    schema.upgrade(engine)


def test_a_project_holds_no_password_and_takes_odd_names(engine: Engine) -> None:
    with connection(engine) as opened:
        said = {layer.view: columns(opened, layer.view) for layer in LAYERS}
        assert extent(opened) == (-180.0, -90.0, 180.0, 90.0)
    server = Server("o'hara\\", "/a folder", 5433, "ann")
    written = project(server, said, (5.0, 60.0, 6.0, 61.0))
    assert "password" not in written
    assert "<xmin>5.0</xmin>" in written
    source = datasource(server, LAYERS[0])
    assert source.startswith(r"dbname='o\'hara\\' host='/a folder' port=5433 user='ann' ")
