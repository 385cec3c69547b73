"""Training of a recipe of rasters, from places and labels to a model that the registry takes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.errors import InvalidSamples
from detectors.inference import Windows, predict_classes
from detectors.training import raster_models, tiles
from detectors.training.assembly import member_of
from detectors.training.bands import Band, as_it_is
from detectors.training.dataset import Split
from detectors.training.lessons import TileLessons
from detectors.training.losses import UNKNOWN
from detectors.training.raster_recipes import RasterRecipe
from detectors.training.recipes import MemberSpec
from detectors.training.tiles import Area, Codes, Tiles
from detectors.types import FloatArray
from detectors.weights import DESCRIPTION, Member
from flows import checkpoints, raster_maps, raster_scoring, training
from flows.files import write_whole
from flows.model_registry import CARD
from flows.places import Place, Source, open_place
from flows.raster_labels import Labels, read_labels
from flows.raster_maps import RasterModel
from flows.raster_scoring import Scored
from flows.training_results import Result

#: Most tiles that are learnt from and judged; beyond them chance decides.
MOST = {Split.TRAIN: 4000, Split.VALIDATION: 800}


@dataclass(frozen=True, slots=True)
class Example:
    """A place and what is known of it."""

    sources: tuple[Source, ...]
    """Its rasters."""
    labels: Path
    """Polygons, or a raster of class codes."""

    @property
    def name(self) -> str:
        """For messages."""
        return self.labels.stem if self.labels.stem != "labels" else self.labels.parent.name


@dataclass(frozen=True, slots=True)
class Reading:
    """How labels are read."""

    attribute: str | None = None
    """Column of the polygons with the class."""
    area: Path | None = None
    """Polygons outside which nothing is known."""
    hull: bool = False
    """Nothing is known outside the convex hull of the polygons."""
    pixel_m: float | None = None
    """Side of a pixel; None = as the recipe says."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a training learns from."""

    tiles: Tiles
    """Of training and validation, in the units of the bands."""
    areas: tuple[Area, ...]
    """Of the split, the test's too."""
    classes: tuple[str, ...]
    """Names, by index."""
    bands: tuple[Band, ...]
    """In order."""
    pixel_m: float
    """Side of a pixel of the first place, metres."""
    shares: tuple[float, ...]
    """Of the known pixels of the tiles, by class."""

    @property
    def outputs(self) -> int:
        """Logits of a pixel."""
        return 1 if len(self.classes) == 2 else len(self.classes)


@contextmanager
def opened(
    recipe: RasterRecipe, example: Example, reading: Reading, classes: Sequence[str] = ()
) -> Iterator[tuple[Place, Labels]]:
    """Open a place and read its labels.

    Raises:
        ScarpwatchError: as ``open_place`` and ``read_labels``.
    """
    pixel_m = reading.pixel_m or recipe.pixel_m
    with open_place(example.name, example.sources, pixel_m) as place:
        labels = read_labels(
            example.labels, place.grid, recipe, reading.attribute, classes, reading.area,
            hull=reading.hull,
        )  # fmt: skip
        yield place, labels


def gather(
    recipe: RasterRecipe, examples: Sequence[Example], reading: Reading,
    done: Callable[[], None] = lambda: None, seed: int = 0,
) -> Gathered:  # fmt: skip
    """Cut tiles of all places.

    Args:
        recipe: what is to be trained.
        examples: at least one place; from three on whole places go to a side of the split.
        reading: of the labels.
        done: called after each place.
        seed: of which tiles are left out where there are too many.

    Raises:
        ScarpwatchError: as ``open_place``, ``read_labels`` and ``areas``.
    """
    codes: list[Codes] = []
    classes: tuple[str, ...] = ()
    bands, pixel_m = recipe.bands, 0.0
    for example in examples:
        with opened(recipe, example, reading, classes) as (place, labels):
            bands = bands or tuple(map(as_it_is, place.names))
            place.check(bands)
            classes, pixel_m = labels.classes, pixel_m or place.pixel_m
            codes.append(labels.codes)
    areas = tiles.areas(codes, recipe.window)
    values, known, sides = [], [], []
    for number, example in enumerate(examples):
        with open_place(example.name, example.sources, reading.pixel_m or recipe.pixel_m) as place:
            for area in areas:
                if area.place != number or area.side is Split.TEST:
                    continue
                most = max(MOST[area.side] // len(examples), 1)
                for cut in _cuts(codes[number], area, recipe, most, seed):
                    read = place.read(bands, *cut)
                    seen = tiles.observed(read, codes[number][cut])
                    if bool(np.any(seen != UNKNOWN)):
                        values.append(read)
                        known.append(seen)
                        sides.append(area.side.value)
        done()
    if not values or {Split.TRAIN.value, Split.VALIDATION.value} - set(sides):
        raise InvalidSamples(
            f"no tile of {recipe.window} pixels with labels and all bands on one side of the "
            "split; take smaller tiles (--window), or more places"
        )
    cut_out = Tiles(np.stack(values), np.stack(known), np.array(sides))
    counts = np.array([(cut_out.codes == index).sum() for index in range(len(classes))])
    if (counts > 0).sum() < 2:
        raise InvalidSamples(
            f"nothing but {classes[int(counts.argmax())]} is known; there is nothing to tell apart"
        )
    shares = tuple(float(n) for n in counts / counts.sum())
    return Gathered(cut_out, tuple(areas), classes, bands, pixel_m, shares)


def _cuts(
    codes: Codes, area: Area, recipe: RasterRecipe, most: int, seed: int
) -> Iterator[tuple[slice, slice]]:
    side = recipe.window
    for top, left in tiles.origins(codes, area, side, recipe.stride, most, seed):
        yield slice(top, top + side), slice(left, left + side)


def train(
    recipe: RasterRecipe, gathered: Gathered, out: Path,
    done: Callable[[], None] = lambda: None, *, resume: bool = False, licence: str = "other",
) -> tuple[RasterModel, tuple[Result, ...]]:  # fmt: skip
    """Train the members, choose among them and write ``model.json``.

    Args:
        recipe: what is trained.
        gathered: what it learns from.
        out: folder, made where it is not there.
        done: called after each epoch.
        resume: go on with what was broken off there.
        licence: of the weights, an SPDX identifier or ``other``.

    Raises:
        InvalidWeights: there is something else to go on from than this training.
    """
    raw = gathered.tiles
    scaling = raw.only(Split.TRAIN).scaling()
    scaled = dataclasses.replace(raw, values=scaling.apply(raw.values))
    sides = scaled.only(Split.TRAIN), scaled.only(Split.VALIDATION)
    results = []
    for spec in recipe.members:
        lessons = TileLessons(*sides, spec.loss, gathered.outputs)
        key = checkpoints.key_of(spec, scaled.values, scaled.codes, scaled.sides.astype("S"))
        results.append(training.train_on(spec, lessons, key, out, done, resume=resume))
    members = [_member(spec, out) for spec in recipe.members]
    validation = sides[1]
    said = [_scores(member, validation, recipe, gathered.outputs) for member in members]
    chosen = raster_models.choose(said, validation.codes)
    kept = [
        dataclasses.replace(members[n], threshold=chosen.threshold, validation_f1=f1)
        for n, f1 in zip(chosen.members, chosen.f1_by_size, strict=False)
    ]
    document = raster_models.describe(
        recipe, gathered.classes, [band.name for band in gathered.bands], scaling, kept, chosen,
        gathered.pixel_m, licence,
    )  # fmt: skip
    write_whole(out / DESCRIPTION, (json.dumps(document, indent=1) + "\n").encode())
    return raster_maps.load(out), tuple(results)


def _member(spec: MemberSpec, out: Path) -> Member:
    file = out / f"{spec.name}{training.SUFFIX}"
    return member_of(spec, file.read_bytes(), file)


def _scores(member: Member, part: Tiles, recipe: RasterRecipe, outputs: int) -> FloatArray:
    """Return what a member says of scaled tiles, (n, outputs, y, x)."""
    import torch

    network = member.load(part.values.shape[1], outputs)
    windows = Windows(recipe.window, recipe.window, orientations=1)

    def prepare(values: FloatArray) -> torch.Tensor:
        return torch.from_numpy(np.nan_to_num(values))

    return np.stack(
        [predict_classes(network, tile, windows, prepare, outputs) for tile in part.values]
    )


def examine(
    asked: RasterModel, recipe: RasterRecipe, examples: Sequence[Example], reading: Reading,
    gathered: Gathered, done: Callable[[], None] = lambda: None,
) -> Scored:  # fmt: skip
    """Score a model on the side of the split that nothing was chosen on."""
    parts = []
    for number, example in enumerate(examples):
        areas = [
            (area.rows, area.columns)
            for area in gathered.areas
            if area.place == number and area.side is Split.TEST
        ]
        if areas:
            with opened(recipe, example, reading, gathered.classes) as (place, labels):
                parts.append(raster_scoring.evaluate(asked, place, labels, areas, done))
    return raster_scoring.together(parts)


def write_card(
    recipe: RasterRecipe, examples: Sequence[Example], gathered: Gathered, asked: RasterModel,
    test: Scored, out: Path,
) -> None:  # fmt: skip
    """Write what an operator has to know of the model, in Markdown."""
    rows = "\n".join(
        f"| {name} | {share:.1%} | {_figure(test.pixels.of(name).producers_accuracy)} "
        f"| {_figure(test.pixels.of(name).users_accuracy)} | {_figure(test.pixels.of(name).f1)} "
        f"| {_figure(test.pixels.of(name).iou)} |"
        for name, share in zip(gathered.classes, gathered.shares, strict=True)
    )
    sides = {side: int((gathered.tiles.sides == side.value).sum()) for side in MOST}
    whole = len(examples) >= len(Split)
    text = f"""# {recipe.name}: {recipe.says}

`{asked.model.version}`, trained by the recipe `{recipe.name}` ({recipe.source}).

| class | of the tiles' known pixels | recall | precision | F1 | IoU |
| --- | --- | --- | --- | --- | --- |
{rows}

Recall to IoU are of the test side: {"whole places" if whole else "a strip of each place"} that
neither training nor any choice looked at, pixel by pixel.

## Trained on

{", ".join(example.name for example in examples)}: {sides[Split.TRAIN]} tiles of {recipe.window}
pixels ({gathered.pixel_m:g} m), {sides[Split.VALIDATION]} more to stop and to choose by. Bands:
{", ".join(band.name for band in gathered.bands)}.

**Licence:** {asked.model.licence}.

## Not known

- What it is worth elsewhere, or in another season, than the places above show.
- Scores are no probabilities: nothing was calibrated.
"""
    write_whole(out / CARD, text.encode())


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
