"""What ``scarpwatch recipes`` and ``scarpwatch map-my-own`` show, and the work they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli.metrics import confusion_document, print_confusion
from flows.cli.output import details, emit, plain, progress, screen, some, table

if TYPE_CHECKING:
    from detectors.training.area_weighted import Estimate
    from detectors.training.raster_recipes import RasterRecipe
    from flows.raster_maps import Mapped, RasterModel
    from flows.raster_scoring import Scored
    from flows.raster_training import Example, Gathered, Reading
    from flows.recipe_list import Listed
    from flows.training_results import Result


def print_list(found: Sequence[Listed]) -> None:
    """Print one row a recipe."""
    rows = table("recipe", "learns with", "maps", "bands", "classes")
    for one in found:
        bands = str(len(one.bands)) if one.bands else "any"
        classes = str(len(one.classes)) if one.classes else "any"
        rows.add_row(plain(one.name), one.kind, plain(one.says), bands, classes)
    screen().print(rows)


def document(recipe: RasterRecipe) -> dict[str, Any]:
    """Return a recipe as JSON."""
    from detectors.networks import parameters

    outputs = max(len(recipe.classes), 1) if len(recipe.classes) != 2 else 1
    return {
        "name": recipe.name,
        "says": recipe.says,
        "source": recipe.source,
        "pixel_m": recipe.pixel_m,
        "window": recipe.window,
        "stride": recipe.stride,
        "bands": [
            {
                "name": band.name, "meaning": band.meaning, "from": list(band.needs),
                "over": band.over, "supplied": band.supplied,
            }
            for band in recipe.bands
        ],
        "classes": [
            {"code": code, "name": name}
            for code, name in enumerate(recipe.classes, start=recipe.first_code)
        ],
        "members": [
            {
                "name": spec.name, "architecture": spec.network.architecture,
                "encoder": spec.network.encoder, "loss": spec.loss, "epochs": spec.epochs,
                "parameters": parameters(spec.network.build(len(recipe.bands) or 3, outputs)),
            }
            for spec in recipe.members
        ],
        "finish": dataclasses.asdict(recipe.finish) if recipe.finish else None,
    }  # fmt: skip


def print_recipe(shown: Mapping[str, Any]) -> None:
    """Print what ``recipes show`` answers."""
    console = screen()
    console.print(f"[name]{plain(shown['name'])}[/]  {plain(shown['says'])}")
    if "members" not in shown:
        console.print(
            details(
                [
                    ("bands", ", ".join(shown["bands"])), ("classes", ", ".join(shown["classes"])),
                    ("by", shown["command"]),
                ]
            )
        )  # fmt: skip
        return
    finish = shown["finish"] or {}
    console.print(
        details(
            [
                ("source", plain(shown["source"])),
                ("pixel", f"{shown['pixel_m']:g} m" if shown["pixel_m"] else "the first raster's"),
                ("tiles", f"{shown['window']} pixels, {shown['stride']} apart"),
                (
                    "classes",
                    ", ".join(f"{one['code']} {one['name']}" for one in shown["classes"])
                    or "those of the labels",
                ),
                *(
                    (
                        "network",
                        (
                            f"{one['architecture']} on {one['encoder']}, {one['loss']}, "
                            f"{one['parameters']:,} parameters, {one['epochs']} epochs at most"
                        ),
                    )
                    for one in shown["members"]
                ),
                (
                    "outlines",
                    f"widened by {finish['buffer_m']:g} m, {finish['least_m2']:g} m2 and more"
                    + (", all classes and models merged" if finish["merged"] else "")
                    if finish
                    else "",
                ),
            ]
        )
    )
    if not shown["bands"]:
        console.print("  Every band of the rasters, as it is.")
        return
    rows = table("band", "what it is", "computed from")
    for band in shown["bands"]:
        rows.add_row(
            plain(band["name"]), plain(band["meaning"]),
            plain(", ".join(band["from"])) or f"[dim]{plain(band['supplied']) or 'given'}[/]",
        )  # fmt: skip
    console.print(rows)


def ordered(
    name: str, window: int | None, epochs: int | None, steps: int | None,
    members: Sequence[str] | None, seed: int, *, grid: bool,
) -> RasterRecipe:  # fmt: skip
    """Return a recipe as it was ordered.

    Raises:
        ConfigurationError: there is no such recipe, member, or side of a tile.
    """
    from detectors.errors import ConfigurationError
    from detectors.networks import SIDE_MULTIPLE
    from detectors.training import raster_recipes
    from detectors.training.grid import grid_members
    from flows import training

    recipe = raster_recipes.get(name)
    if window is not None and window % SIDE_MULTIPLE:
        raise ConfigurationError(f"a tile of {window} is no multiple of {SIDE_MULTIPLE} pixels")
    if grid:
        recipe = dataclasses.replace(recipe, members=grid_members(window or recipe.window))
    recipe = dataclasses.replace(recipe, members=tuple(training.candidates(recipe, members)))
    recipe = raster_recipes.shortened(recipe, window, epochs, steps)
    seeded = [dataclasses.replace(spec, seed=spec.seed + seed) for spec in recipe.members]
    return dataclasses.replace(recipe, members=tuple(seeded))


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a training gave."""

    asked: RasterModel
    """The model."""
    results: tuple[Result, ...]
    """Of each member."""
    test: Scored
    """On ground that nothing was chosen on."""
    gathered: Gathered
    """What it learnt from."""
    out: Path
    """Where the model lies."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "model": self.asked.model.version,
            "out": str(self.out),
            "members": [dataclasses.asdict(result) for result in self.results],
            "test": scores_document(self.test),
        }

    def show(self) -> None:
        """Print it."""
        print_confusion(self.test.pixels)
        screen().print(
            f"Written to {plain(str(self.out))}: {plain(self.asked.model.version)}, "
            f"{some(len(self.gathered.tiles), 'tile')}, F1 on validation "
            f"{self.asked.model.validation_f1:.3f}; above, the test side"
        )


def learn(
    recipe: RasterRecipe, found: Sequence[Example], reading: Reading, out: Path, licence: str,
    *, resume: bool, hidden: bool,
) -> Learnt:  # fmt: skip
    """Gather, train, examine and write the card."""
    from flows import raster_training

    with progress(len(found), "places", hidden=hidden, what="cutting tiles") as done:
        gathered = raster_training.gather(recipe, found, reading, done)
    total = sum(spec.epochs for spec in recipe.members)
    with progress(total, "epochs", hidden=hidden, what=recipe.name) as done:
        asked, results = raster_training.train(
            recipe, gathered, out, done, resume=resume, licence=licence
        )
    with progress(1, "test", hidden=hidden, what="examining") as done:
        test = raster_training.examine(asked, recipe, found, reading, gathered)
        done()
    raster_training.write_card(recipe, found, gathered, asked, test, out)
    return Learnt(asked, results, test, gathered, out)


def score(
    asked: RasterModel, found: Sequence[Example], reading: Reading, *, hidden: bool
) -> Scored:
    """Score a model on places."""
    from flows import raster_scoring, raster_training

    parts = []
    with progress(len(found), "places", hidden=hidden, what="scoring") as done:
        for example in found:
            with raster_training.opened(
                asked.recipe, example, reading, asked.model.classes
            ) as (place, labels):  # fmt: skip
                parts.append(raster_scoring.evaluate(asked, place, labels))
            done()
    return raster_scoring.together(parts)


def line_figures(lines: Path, outlines: Path) -> dict[str, Any]:
    """Return how outlines meet mapped lines."""
    from flows.raster_lines import compare

    return dataclasses.asdict(compare(lines, outlines))


def scores_document(scored: Scored) -> dict[str, Any]:
    """Return all tables as JSON; intervals are halves, 95 %."""
    by_area = scored.by_area
    return {
        "pixels": confusion_document(scored.pixels),
        "objects": confusion_document(scored.objects),
        "by_area": dataclasses.asdict(by_area) if by_area else None,
    }


def print_scores(scored: Scored, more: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what ``recipes evaluate`` answers."""
    if as_json:
        emit({**scores_document(scored), **({"lines": more} if more else {})})
        return
    for name, counted in (("pixels", scored.pixels), ("objects", scored.objects)):
        screen().print(f"[name]{name}[/]")
        print_confusion(counted)
    _print_by_area(scored)
    for name, value in more.items():
        shown = value if isinstance(value, int) else "-" if value is None else f"{value:.1%}"
        screen().print(f"{name.replace('_', ' ')}: {shown}")


def _print_by_area(scored: Scored) -> None:
    console, found = screen(), scored.by_area
    console.print("[name]by area[/]")
    if found is None:
        console.print("[dim]a mapped class has too few labels to say anything of it[/]")
        return
    console.print(f"overall accuracy {_percent(found.overall_accuracy)} %")
    rows = table("class", "producer's", "user's", "mapped, ha", "area, ha")
    for name, one in found.classes.items():
        area = _between(one.area, 1, "{:,.1f}")
        rows.add_row(
            plain(name), _percent(one.producers_accuracy), _percent(one.users_accuracy),
            f"{one.mapped:,.1f}", area,
        )  # fmt: skip
    console.print(rows)
    if not scored.drawn:
        console.print(
            "[dim]no intervals: they take points drawn at random within each mapped class[/]"
        )


def _percent(one: Estimate) -> str:
    return _between(one, 100, "{:.2f}")


def _between(one: Estimate, scale: float, form: str) -> str:
    if one.value is None:
        return "-"
    half = "" if one.half is None else f" ± {form.format(scale * one.half)}"
    return form.format(scale * one.value) + half


def map_document(asked: Sequence[RasterModel], mapped: Mapped, hectares: float) -> dict[str, Any]:
    """Return what was mapped as JSON.

    Args:
        asked: the models.
        mapped: what they wrote.
        hectares: of a pixel.
    """
    return {
        "models": [one.model.version for one in asked],
        "files": [str(path) for path in mapped.files],
        "hectares": {name: n * hectares for name, n in mapped.pixels.items()},
        "outlines": mapped.outlines,
    }


def show_map(mapped: Mapped, hectares: float) -> None:
    """Print what was mapped."""
    rows = table("class", "hectares", "share")
    total = max(sum(mapped.pixels.values()), 1)
    for name, count in mapped.pixels.items():
        rows.add_row(plain(name), f"{count * hectares:,.1f}", f"{count / total:.1%}")
    screen().print(rows)
    if mapped.outlines is not None:
        screen().print(some(mapped.outlines, "outline"))
    for path in mapped.files:
        screen().print(f"Written to {plain(str(path))}")
