"""``scarpwatch map-my-own``: from rasters and polygons to a map, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import recipe_views as views
from flows.cli.options import AsJson
from flows.cli.output import emit, plain, progress, screen


def map_my_own(
    raster: Annotated[
        list[str],
        typer.Option(metavar="[BAND=]FILE", help="Raster of any grid; repeatable."),
    ],
    polygons: Annotated[
        Path, typer.Option(metavar="FILE", help="What is to be found, outlined in some places.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for model, map and picture.")],
    attribute: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column with a class; without, all are one class."),
    ] = None,
    pixel: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="METRES", help="Of the map."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=16, metavar="N", help="Side of a tile; what fits the area.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most; 30.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was broken off in DIR.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn what your polygons outline, and map it wherever your rasters reach.

    The area that is learnt from is the convex hull of the polygons: within it, outline everything
    you want to be found. Writes a model, map.tif, score.tif, outlines.gpkg and picture.png.
    """
    from flows import own_map, raster_maps, raster_training
    from flows.places import Source

    sources = [Source.typed(text) for text in raster]
    recipe, example, reading = own_map.order(sources, polygons, attribute, pixel, window, epochs)
    learnt = views.learn(
        recipe, [example], reading, out / "model", "other", resume=resume, hidden=as_json
    )
    asked = learnt.asked
    with raster_training.opened(recipe, example, reading) as (place, labels):
        total = raster_maps.count_blocks(place, asked)
        with progress(total, "blocks", hidden=as_json, what="mapping") as done:
            mapped = raster_maps.write_maps([asked], place, out, done)
        picture = own_map.draw(place, labels, learnt.gathered, asked, mapped, learnt.test, out)
        hectares = place.grid.pixel_area_m2 / 1e4
    if as_json:
        emit(
            {
                **learnt.document(),
                **views.map_document([asked], mapped, hectares),
                "picture": str(picture),
                "window": recipe.window,
            }
        )
        return
    learnt.show()
    views.show_map(mapped, hectares)
    screen().print(f"Written to {plain(str(picture))}")
