"""``scarpwatch recipes``: everything that can be learnt from rasters, trained, used and scored."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import recipe_views as views
from flows.cli.options import AsJson, require_folder
from flows.cli.output import emit, plain, progress, screen, some, table

if TYPE_CHECKING:
    from flows.raster_maps import RasterModel
    from flows.raster_scoring import Scored
    from flows.raster_training import Example

app = typer.Typer(help="What can be learnt from rasters: train, map, score.")

Rasters = Annotated[
    list[str] | None,
    typer.Option(
        "--raster",
        metavar="[BAND=]FILE",
        help="Raster of any grid, its bands described or named; repeatable.",
    ),
]
LabelFiles = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="Polygons, points or class codes: one for all, or one a raster."
    ),
]
Places = Annotated[
    list[Path] | None,
    typer.Option("--place", metavar="DIR", help="Folder of rasters with labels.*; repeatable."),
]
Attribute = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of the polygons with the class; class."),
]
AreaFile = Annotated[
    Path | None,
    typer.Option("--area", metavar="FILE", help="Polygons outside which nothing is known."),
]


@app.command("list")
def list_recipes(as_json: AsJson = False) -> None:
    """List all recipes, whatever they learn with."""
    from flows import recipe_list

    found = recipe_list.every()
    if as_json:
        emit({"recipes": [dataclasses.asdict(one) for one in found]})
    else:
        views.print_list(found)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="RECIPE", help="Such as outcrop.")],
    as_json: AsJson = False,
) -> None:
    """Show one recipe: bands and how they are computed, classes, network, tiles, source."""
    from detectors.training import raster_recipes
    from flows import recipe_list

    listed = recipe_list.get(name)
    if listed.kind != recipe_list.NETWORK:
        document = dataclasses.asdict(listed)
    else:
        document = views.document(raster_recipes.get(name))
    if as_json:
        emit(document)
    else:
        views.print_recipe(document)


@app.command()
def train(
    recipe: Annotated[str, typer.Option(metavar="NAME", help="One of 'recipes list'.")],
    out: Annotated[
        Path, typer.Option(metavar="OUT", help="Folder of the model; FILE.json for trees.")
    ],
    raster: Rasters = None,
    labels: LabelFiles = None,
    place: Places = None,
    attribute: Attribute = None,
    area: AreaFile = None,
    bands_of: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help="cart: look at the bands of this one, computed."),
    ] = None,
    pixel: Annotated[
        float | None, typer.Option(min=0.01, metavar="METRES", help="Instead of the recipe's.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=16, metavar="N", help="Side of a tile; a multiple of 16.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Instead of what the recipe says.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Batches in an epoch.")
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Every architecture with every loss and rate.")
    ] = False,
    members: Annotated[
        list[str] | None,
        typer.Option("--member", metavar="NAME", help="Only this one; * stands for anything."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was broken off in OUT.")
    ] = False,
    licence: Annotated[
        str, typer.Option("--licence", metavar="SPDX", help="Of the weights that come out.")
    ] = "other",
    as_json: AsJson = False,
) -> None:
    """Learn a recipe from places: rasters and what is known of their pixels.

    From three places on whole ones are kept for validation and test, otherwise strips of each. The
    model, its card and its figures on the test side are in OUT; 'scarpwatch models promote OUT'
    registers it.
    """
    from flows import recipe_list

    kind = recipe_list.get(recipe).kind
    if kind == recipe_list.TREES:
        found = recipe_list.examples(raster or [], labels or [], place or [])
        _train_trees(recipe, found, out, attribute, seed, bands_of or "", pixel)
        return
    if bands_of:
        raise typer.BadParameter(f"{recipe} has bands of its own", param_hint="--bands-of")
    if kind != recipe_list.NETWORK:
        raise typer.BadParameter(
            f"{recipe} is trained by '{recipe_list.get(recipe).command}'", param_hint="--recipe"
        )
    from flows.raster_training import Reading

    declared = views.ordered(recipe, window, epochs, steps, members, seed, grid=grid)
    found = recipe_list.examples(raster or [], labels or [], place or [])
    reading = Reading(attribute, area, pixel_m=pixel)
    learnt = views.learn(declared, found, reading, out, licence, resume=resume, hidden=as_json)
    if as_json:
        emit(learnt.document())
    else:
        learnt.show()


def _train_trees(
    recipe: str, found: list[Example], out: Path, attribute: str | None, seed: int,
    bands_of: str, pixel: float | None,
) -> None:  # fmt: skip
    from flows import shallow

    require_folder(out)
    forest = shallow.train(recipe, found, attribute or "class", seed, bands_of, pixel)
    out.write_text(forest.to_json(), encoding="utf-8")
    nodes = sum(len(tree.feature) for tree in forest.trees)
    screen().print(
        f"Written to {plain(str(out))}: {some(len(forest.trees), 'tree')}, {nodes} nodes, "
        f"classes {', '.join(map(str, forest.classes))}"
    )


@app.command()
def predict(
    model: Annotated[
        list[str],
        typer.Option(metavar="MODEL", help="Folder, name or version; FILE.json; repeatable."),
    ],
    raster: Rasters = None,
    out: Annotated[
        Path, typer.Option(metavar="OUT", help="Folder for the maps; FILE.tif for trees.")
    ] = Path("map"),
    pixel: Annotated[
        float | None, typer.Option(min=0.01, metavar="METRES", help="Instead of the recipe's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Map a place: class codes, scores, and outlines where the recipe has them.

    Several models of one recipe are averaged; outlines of 'gully' are merged from all of them.
    """
    if model[0].endswith(".json"):
        _map_trees(Path(model[0]), raster, out, pixel)
        return
    from flows import raster_maps
    from flows.places import Source, open_place

    asked = [_load(one) for one in model]
    sources = [Source.typed(text) for text in raster or []]
    with open_place("the place", sources, pixel or asked[0].recipe.pixel_m) as place:
        total = raster_maps.count_blocks(place, asked[0])
        with progress(total, "blocks", hidden=as_json, what="mapping") as done:
            mapped = raster_maps.write_maps(asked, place, out, done)
        hectares = place.grid.pixel_area_m2 / 1e4
    if as_json:
        emit(views.map_document(asked, mapped, hectares))
    else:
        views.show_map(mapped, hectares)


def _load(model: str) -> RasterModel:
    """Return a model by folder, or by name or version from the registry."""
    from flows import raster_maps, settings
    from flows.model_registry import Registry

    folder = Path(model)
    if not (folder / "model.json").is_file():
        folder = Registry(settings.load().models).find(model)
    return raster_maps.load(folder)


def _map_trees(model: Path, rasters: list[str] | None, out: Path, pixel: float | None) -> None:
    import numpy as np

    from flows import shallow
    from flows.places import Source
    from flows.stacks import write_map

    require_folder(out)
    forest = shallow.load(model)
    stack = shallow.read([Source.typed(text) for text in rasters or []], forest.bands_of, pixel)
    codes, _ = shallow.predict(forest, stack)
    kept = codes.astype(np.uint8 if max(forest.classes) < 256 else np.int32)
    write_map(out, kept[None], stack, ["class"])
    screen().print(f"Written to {plain(str(out))}")


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Folder, name or version; FILE.json for trees.")
    ],
    raster: Rasters = None,
    labels: LabelFiles = None,
    place: Places = None,
    attribute: Attribute = None,
    area: AreaFile = None,
    pixel: Annotated[
        float | None, typer.Option(min=0.01, metavar="METRES", help="Instead of the recipe's.")
    ] = None,
    lines: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Mapped lines: how much of them lies in outlines."),
    ] = None,
    outlines: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Outlines of a map, for --lines."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a trained model where the truth is known, by pixel, by object and by area.

    By area, figures are weighted by what was mapped (Olofsson et al. 2014). Points in --labels that
    were drawn at random within each mapped class give them intervals; polygons do not.

    With --lines and --outlines also the share of the lines' length inside outlines, and the share
    of the outlines' area that a line meets.
    """
    from flows import recipe_list
    from flows.raster_training import Reading

    found = recipe_list.examples(raster or [], labels or [], place or [])
    if model.endswith(".json"):
        views.print_scores(_score_trees(Path(model), found, attribute, pixel), {}, as_json=as_json)
        return
    asked = _load(model)
    reading = Reading(attribute, area, pixel_m=pixel)
    scored_places = views.score(asked, found, reading, hidden=as_json)
    more = views.line_figures(lines, outlines) if lines and outlines else {}
    views.print_scores(scored_places, more, as_json=as_json)


def _score_trees(
    model: Path, found: list[Example], attribute: str | None, pixel: float | None
) -> Scored:
    from flows import raster_scoring, shallow

    forest = shallow.load(model)
    parts = [
        shallow.evaluate(
            forest, shallow.read(one.sources, forest.bands_of, pixel), one.labels,
            attribute or "class",
        )
        for one in found
    ]  # fmt: skip
    return raster_scoring.together(parts)


@app.command()
def train_change(
    segments: Annotated[Path, typer.Option(metavar="FILE.csv", help="Labelled segments.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for weights and model.json.")],
) -> None:
    """Learn landslide-change from a table of segments; says how scenes held out rank."""
    from flows import change

    model, found = change.train(change.read_segments(segments), out)
    weights = ", ".join(
        f"{name} {weight:+.2f}" for name, weight in zip(model.bands, model.weights, strict=True)
    )
    screen().print(
        f"Written to {plain(str(out))}: {weights}\n"
        f"AUC on scenes held out {found.auc:.3f} ({found.low:.3f} to {found.high:.3f})"
    )


@app.command()
def map_change(
    raster: Annotated[
        Path, typer.Option(metavar="FILE.tif", help="Bands rg, ndvi_change, brightness_change.")
    ],
    out: Annotated[Path, typer.Option(metavar="OUT.tif", help="Score 0 to 1, no probability.")],
) -> None:
    """Map the score of landslide-change."""
    from detectors.learning.change import NAME
    from flows import change
    from flows.stacks import read_stack, write_map

    require_folder(out)
    stack = read_stack(raster)
    model = change.load()
    score = model.map(stack.select(model.bands), stack.pixel_m)
    write_map(out, score[None], stack, [NAME])
    screen().print(f"Written to {plain(str(out))}")


@app.command()
def breaks(
    series: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Columns time (UTC) and a value, NDVI or dB.")
    ],
    column: Annotated[str, typer.Option(metavar="NAME", help="Column of the value.")] = "ndvi",
    floor: Annotated[
        float, typer.Option(min=0, help="Least scatter of a look: 0.02 for NDVI, 0.7 for dB.")
    ] = 0.02,
    as_json: AsJson = False,
) -> None:
    """Find where a history of NDVI or VV leaves its seasons (recipe time-series)."""
    from detectors.learning.harmonic import HarmonicBreak
    from flows.cli import documents
    from flows.histories_files import read_history

    moments, values = read_history(series, column)
    found = HarmonicBreak(floor=floor).find(moments, values)
    if as_json:
        emit(documents.as_json({"breaks": [dataclasses.asdict(one) for one in found]}))
        return
    rows = table("last before", "first after", "step", "sigma")
    for one in found:
        rows.add_row(
            f"{one.last_before:%Y-%m-%d}", f"{one.first_after:%Y-%m-%d}", f"{one.step:+.3f}",
            f"{one.score:.1f}",
        )  # fmt: skip
    screen().print(rows if found else "no break")


def evaluate_points(
    raster: Annotated[
        Path, typer.Option(metavar="FILE.tif", help="Bands rg, ndvi_change, brightness_change.")
    ],
    points: Annotated[Path, typer.Option(metavar="FILE", help="Inventory points.")],
    recipe: Annotated[str, typer.Option(metavar="NAME", help="landslide-change.")],
    as_json: AsJson = False,
) -> None:
    """Rank known places by a recipe, against 5,000 random pixels and against each band alone.

    Points and random pixels alike count by the largest score of 5 x 5 pixels. Intervals are 95 %.
    """
    from detectors.errors import ConfigurationError
    from detectors.learning.change import NAME
    from flows import change
    from flows.stacks import read_stack

    if recipe != NAME:
        raise ConfigurationError(f"no recipe {recipe!r} that ranks points; known: {NAME}")
    ranked = change.evaluate_points(change.load(), read_stack(raster), points)
    gain, low, high = ranked.gain
    if as_json:
        emit(
            {
                "recipe": recipe,
                "auc": ranked.recipe.auc,
                "auc_low": ranked.recipe.low,
                "auc_high": ranked.recipe.high,
                "n_points": ranked.n_points,
                "n_random": ranked.n_random,
                "interval": "95 %, DeLong, logit scale",
                "window": change.WINDOW,
                "seed": change.SEED,
                "bands": {
                    name: {"auc": band.auc, "auc_low": band.low, "auc_high": band.high}
                    for name, band in ranked.bands.items()
                },
                "best_band": ranked.best_band,
                "gain": gain,
                "gain_low": low,
                "gain_high": high,
            }
        )
        return
    rows = table("", "AUC", "95 %")
    for name, one in ((recipe, ranked.recipe), *ranked.bands.items()):
        rows.add_row(plain(name), f"{one.auc:.3f}", f"{one.low:.3f} to {one.high:.3f}")
    screen().print(rows)
    screen().print(
        f"{ranked.n_points} points against {ranked.n_random} random pixels; "
        f"{gain:+.3f} ({low:+.3f} to {high:+.3f}) over {plain(ranked.best_band)}"
    )
