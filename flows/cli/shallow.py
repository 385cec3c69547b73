"""``scarpwatch shallow``: recipes without networks, trained and used on rasters."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.metrics import confusion_document, print_confusion
from flows.cli.options import AsJson, require_folder
from flows.cli.output import emit, plain, screen, table

app = typer.Typer(help="Decision trees, segments and change: recipes without networks.")

Raster = Annotated[Path, typer.Option(metavar="FILE.tif", help="Stack of bands, described.")]
Labels = Annotated[
    Path,
    typer.Option(metavar="FILE", help="Class codes on the same grid (0 = unknown), or polygons."),
]
ModelFile = Annotated[Path, typer.Option(metavar="FILE.json", help="What train wrote.")]
Attribute = Annotated[
    str, typer.Option(metavar="COLUMN", help="Column of the polygons that holds the class code.")
]


@app.command()
def train(
    recipe: Annotated[str, typer.Option(metavar="NAME", help="cart or segments.")],
    raster: Annotated[
        list[Path], typer.Option(metavar="FILE.tif", help="Stack of bands; repeatable.")
    ],
    labels: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Class codes or polygons; one a raster.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.json", help="The model, plain numbers.")],
    attribute: Attribute = "class",
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
) -> None:
    """Learn classes from stacks of bands and labels."""
    from flows import shallow

    require_folder(out)
    forest = shallow.train(recipe, raster, labels, attribute, seed)
    out.write_text(forest.to_json(), encoding="utf-8")
    nodes = sum(len(tree.feature) for tree in forest.trees)
    screen().print(
        f"Written to {plain(str(out))}: {len(forest.trees)} tree(s), {nodes} nodes, "
        f"classes {', '.join(map(str, forest.classes))}"
    )


@app.command()
def predict(
    model: ModelFile,
    raster: Raster,
    out: Annotated[Path, typer.Option(metavar="FILE.tif", help="Class codes, 0 = no data.")],
) -> None:
    """Map the classes of a trained model."""
    import numpy as np

    from flows import shallow
    from flows.stacks import read_stack, write_map

    require_folder(out)
    forest, stack = shallow.load(model), read_stack(raster)
    codes, _ = shallow.predict(forest, stack)
    kept = codes.astype(np.uint8 if max(forest.classes) < 256 else np.int32)
    write_map(out, kept[None], stack, ["class"])
    screen().print(f"Written to {plain(str(out))}")


@app.command()
def evaluate(
    model: ModelFile,
    raster: Raster,
    labels: Labels,
    attribute: Attribute = "class",
    as_json: AsJson = False,
) -> None:
    """Score a trained model where the truth is known, by pixel and by object."""
    from flows import shallow
    from flows.stacks import read_stack

    scored = shallow.evaluate(shallow.load(model), read_stack(raster), labels, attribute)
    if as_json:
        emit(
            {
                "pixels": confusion_document(scored.pixels),
                "objects": confusion_document(scored.objects),
            }
        )
        return
    for name, counted in (("pixels", scored.pixels), ("objects", scored.objects)):
        screen().print(f"[name]{name}[/]")
        print_confusion(counted)


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
