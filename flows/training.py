"""Training of a recipe on labelled pictures, file by file, so that it can be broken off."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from detectors import inference
from detectors.ensemble import calibrated
from detectors.errors import ConfigurationError, InvalidPatches
from detectors.inference import Windows
from detectors.networks import parameters
from detectors.training import assembly, metrics
from detectors.training.dataset import Patches, Split, split_of
from detectors.training.recipes import MemberSpec, Recipe
from detectors.training.train import train
from detectors.types import BoolArray, FloatArray
from detectors.weights import DESCRIPTION, Member, Model, describe
from flows.patches import find, stack

RESULTS = "results.csv"
SUFFIX = ".safetensors"
#: Of the training patches, how many there are to one that calibration sees.
EVERY = 4


@dataclass(frozen=True, slots=True)
class Result:
    """How the training of one member ended."""

    member: str
    """Name."""
    architecture: str
    """Of the network."""
    encoder: str
    """Of the network."""
    parameters: int
    """Trained numbers."""
    loss: str
    """Name."""
    epochs: int
    """That were run."""
    best_epoch: int
    """Whose weights were kept."""
    validation_f1: float
    """Of these weights, patches as they are, at their best threshold."""


def candidates(recipe: Recipe, only: Sequence[str] | None, epochs: int | None) -> list[MemberSpec]:
    """Return the members to train.

    Raises:
        ConfigurationError: a name is not in the recipe.
    """
    known = {member.name: member for member in recipe.members}
    if unknown := set(only or ()) - set(known):
        raise ConfigurationError(
            f"{recipe.name} has no member {min(unknown)!r}; it has {', '.join(known)}"
        )
    chosen = [known[name] for name in only] if only else list(recipe.members)
    return [_shortened(m, epochs) for m in chosen] if epochs else chosen


def _shortened(spec: MemberSpec, epochs: int) -> MemberSpec:
    return dataclasses.replace(spec, cycles=(dataclasses.replace(spec.cycles[0], epochs=epochs),))


def read(images: Path, masks: Path) -> Patches:
    """Read all patches of two folders.

    Raises:
        InvalidPatches: a file cannot be used, or one side of the split is empty.
    """
    patches = stack(find(images, masks))
    for side in (Split.TRAIN, Split.VALIDATION):
        if not len(patches.only(side)):
            raise InvalidPatches(f"{images} holds no patch of the {side.value} split")
    return patches


def train_member(
    spec: MemberSpec, patches: Patches, out: Path, done: Callable[[], None] = lambda: None
) -> Result:
    """Train one member, keep its best weights so far in ``out``, add a row to the results.

    Args:
        spec: the member; one that begins with another's encoder comes after it.
        patches: all patches; only those of training and validation are used.
        out: folder, made where it is not there.
        done: called after each epoch.

    Raises:
        ConfigurationError: the member it begins with was not trained.
    """
    out.mkdir(parents=True, exist_ok=True)
    if spec.encoder_of and not (out / f"{spec.encoder_of}{SUFFIX}").is_file():
        raise ConfigurationError(f"{spec.name} begins with {spec.encoder_of}: train that first")
    best, f1 = 0, 0.0
    encoder = load_file(out / f"{spec.encoder_of}{SUFFIX}") if spec.encoder_of else None
    sides = patches.only(Split.TRAIN), patches.only(Split.VALIDATION)
    for progress in train(spec, *sides, encoder):
        if progress.improved is not None and progress.validation_f1 is not None:
            best, f1 = progress.epoch, progress.validation_f1
            (out / f"{spec.name}{SUFFIX}").write_bytes(
                assembly.in_half_precision(progress.improved)
            )
        done()
    network = spec.network.build(patches.images.shape[1])
    result = Result(
        spec.name, spec.network.architecture, spec.network.encoder, parameters(network),
        spec.loss, spec.epochs, best, round(f1, 4),
    )  # fmt: skip
    _add_row(out / RESULTS, result)
    return result


def assemble(
    recipe: Recipe, patches: Patches, out: Path, done: Callable[[], None] = lambda: None
) -> Model:
    """Calibrate the trained members in ``out``, choose among them and write ``model.json``.

    Args:
        recipe: what was trained.
        patches: all patches; those of validation are used, and of training every ``EVERY``-th.
        out: folder with the weights of at least one member.
        done: called after each member.

    Raises:
        InvalidWeights: a file in ``out`` does not fit its member.
    """
    training = patches.only(Split.TRAIN)
    known = patches.only(Split.VALIDATION).and_those_of(training.every(EVERY))
    validating = split_of(known.numbers) == Split.VALIDATION
    members, probabilities = [], []
    for spec in recipe.members:
        file = out / f"{spec.name}{SUFFIX}"
        if file.is_file():
            raw = assembly.member_of(spec, file.read_bytes(), file)
            scores = _scores(raw, recipe, known)
            member, probability = _calibrated(raw, scores, known, validating)
            members.append(member)
            probabilities.append(probability)
        done()
    choice = assembly.choose(probabilities, known.masks, validating, recipe.largest)
    chosen = [members[index] for index in choice.members]
    document = assembly.describe(recipe, chosen, choice)
    (out / DESCRIPTION).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return describe(out.name, out.parent)


def _scores(member: Member, recipe: Recipe, patches: Patches) -> FloatArray:
    network = member.load(len(recipe.bands))
    windows = Windows(recipe.window, recipe.window // 2, sides=recipe.sides)
    images = patches.images.astype(np.float32)
    return np.stack([inference.predict(network, image, windows) for image in images])


def _calibrated(
    member: Member, scores: FloatArray, patches: Patches, validating: BoolArray
) -> tuple[Member, FloatArray]:
    slope, offset = assembly.calibrate(scores, patches.masks)
    member = dataclasses.replace(member, slope=slope, offset=offset)
    probability = calibrated(scores, member)
    threshold, _ = metrics.best_threshold(metrics.tally(probability, patches.masks))
    _, f1 = metrics.best_threshold(
        metrics.tally(probability[validating], patches.masks[validating])
    )
    return dataclasses.replace(member, threshold=threshold, validation_f1=f1), probability


def _add_row(path: Path, result: Result) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in dataclasses.fields(Result)])
        if new:
            writer.writeheader()
        writer.writerow(dataclasses.asdict(result))
