"""Write ``map-my-own.ipynb`` beside this file: ``python infra/notebooks/make.py``."""

from __future__ import annotations

import json
from pathlib import Path

NOTEBOOK = Path(__file__).with_name("map-my-own.ipynb")

CELLS = (
    (
        "markdown",
        """# A map of your own

You have rasters of a place (elevation, satellite bands, anything in GeoTIFF) and polygons of what you
are looking for in a part of it. This notebook learns from both and maps the rest.

1. Outline **everything** you want to be found within one area: ground between your polygons is taken
   for something else. The area is the convex hull of all polygons.
2. Run the cells from top to bottom. Without files of your own they work on an example that is
   **simulated**: no such ground exists.

`scarpwatch map-my-own --raster ... --polygons ... --out ...` does the same in one command.
To open it: `.venv/bin/pip install jupyterlab`, then `.venv/bin/jupyter lab infra/notebooks`.""",
    ),
    (
        "markdown",
        """## Your files

Rasters may differ in resolution and coordinate system; all are brought onto the grid of the first.
`EPOCHS` is how long is learnt at most. `ATTRIBUTE` names the column with the class, where your polygons
are of several kinds.""",
    ),
    (
        "code",
        """from pathlib import Path

RASTERS = []        # such as ["dem.tif", "spring.tif"]; empty = the simulated example
POLYGONS = ""       # such as "landslides.gpkg"
ATTRIBUTE = None
EPOCHS = 12
OUT = Path("my-map")""",
    ),
    (
        "code",
        """from flows.own_example import Picture, write_example

if not RASTERS:
    RASTERS, POLYGONS = write_example(OUT / "example")
    print("SIMULATED:", *[path.name for path in RASTERS])""",
    ),
    (
        "markdown",
        """## What will be learnt

Rasters are stacked and cut into tiles. The area is parted in three strips: one to learn from, one to
decide when to stop, one that is only looked at in the end. An error here says what to change.""",
    ),
    (
        "code",
        """from flows import own_map, raster_training
from flows.places import Source

sources = [Source.typed(str(path)) for path in RASTERS]
recipe, example, reading = own_map.order(sources, Path(POLYGONS), ATTRIBUTE, None, epochs=EPOCHS)
gathered = raster_training.gather(recipe, [example], reading)
print("bands:", ", ".join(band.name for band in gathered.bands))
print(f"{len(gathered.tiles)} tiles of {recipe.window} pixels, {gathered.pixel_m:g} m each")
for name, share in zip(gathered.classes, gathered.shares):
    print(f"  {name}: {share:.1%} of the known ground")""",
    ),
    (
        "markdown",
        """## Learn

A small network (U-Net) sees the tiles, turned and mirrored, again and again. This takes minutes.""",
    ),
    (
        "code",
        """model, results = raster_training.train(
    recipe, gathered, OUT / "model", lambda: print(".", end=""), resume=False
)
print()
print(f"best after epoch {results[0].best_epoch} of {results[0].epochs}")""",
    ),
    (
        "markdown",
        """## How good is it?

*Precision*: how much of what it maps is right. *Recall*: how much of what is there it maps. *F1* lies
between both; 1 is perfect. The strip below was neither learnt from nor used for any choice. Elsewhere
expect less.""",
    ),
    (
        "code",
        """test = raster_training.examine(model, recipe, [example], reading, gathered)
for name in gathered.classes:
    figures = test.pixels.of(name)
    print(name, {
        "precision": figures.users_accuracy, "recall": figures.producers_accuracy, "F1": figures.f1,
    })
raster_training.write_card(recipe, [example], gathered, model, test, OUT / "model")""",
    ),
    (
        "markdown",
        """## Map

`map.tif` holds class codes, `score.tif` scores from 0 to 1 (no probabilities), `outlines.gpkg` polygons
for your GIS.""",
    ),
    (
        "code",
        """from flows import raster_maps

with raster_training.opened(recipe, example, reading) as (place, labels):
    mapped = raster_maps.write_maps([model], place, OUT)
    picture = own_map.draw(place, labels, gathered, model, mapped, test, OUT)
Picture(picture)""",
    ),
    (
        "markdown",
        """## What next?

- **Missed ones**: outline more of their kind. **False ones**: widen the area, so that it holds ground
  like that without polygons.
- More places: `scarpwatch recipes train --recipe bring-your-own --place DIR --place DIR ...`; from three
  on whole places are kept for the examination.
- Other rasters with the same bands: `scarpwatch recipes predict --model my-map/model --raster ...`""",
    ),
)


def notebook() -> str:
    """Return the notebook as JSON, without outputs."""
    cells: list[dict[str, object]] = []
    for number, (kind, text) in enumerate(CELLS):
        cell: dict[str, object] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(), encoding="utf-8")
