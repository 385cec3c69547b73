"""Training of a recipe on labelled pictures, file by file, so that it can be broken off."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.torch import load_file

from detectors import inference
from detectors.ensemble import calibrated
from detectors.errors import ConfigurationError, InvalidPatches
from detectors.inference import Windows
from detectors.networks import parameters
from detectors.training import assembly, metrics
from detectors.training.dataset import Patches, Split
from detectors.training.lessons import Lessons, PictureLessons
from detectors.training.raster_recipes import RasterRecipe
from detectors.training.recipes import MemberSpec, Recipe
from detectors.training.train import Training
from detectors.types import BoolArray, FloatArray
from detectors.weights import DESCRIPTION, Member, Model, describe
from flows import checkpoints, training_results
from flows.files import write_whole
from flows.patches import find, read_groups, stack
from flows.training_results import Result

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
CHECKPOINT = ".checkpoint"
#: Of the training patches, how many there are to one that calibration sees.
EVERY = 4
#: Of weights nobody stated one for; STAC's word.
LICENCE = "other"


def candidates(recipe: Recipe | RasterRecipe, only: Sequence[str] | None) -> list[MemberSpec]:
    """Return the members to train: all, or those whose names fit one of the patterns (``*``).

    Raises:
        ConfigurationError: a pattern fits no name.
    """
    names = [member.name for member in recipe.members]
    for pattern in only or ():
        if not fnmatch.filter(names, pattern):
            raise ConfigurationError(
                f"{recipe.name} has no member {pattern!r}; it has {', '.join(names[:9])}"
                + (f" and {len(names) - 9} more" if len(names) > 9 else "")
            )
    return [
        member
        for member in recipe.members
        if not only or any(fnmatch.fnmatchcase(member.name, pattern) for pattern in only)
    ]


def shortened(
    spec: MemberSpec, epochs: int | None = None, steps: int | None = None, crop: int | None = None
) -> MemberSpec:
    """Return a member with one cycle of so many epochs and batches, on squares of that side."""
    if not (epochs or steps or crop):
        return spec
    cycle = spec.cycles[0]
    cycle = dataclasses.replace(
        cycle,
        epochs=epochs or cycle.epochs,
        steps=steps or cycle.steps,
        crop=crop or cycle.crop,
        sides=(crop,) if crop else cycle.sides,
    )
    return dataclasses.replace(spec, cycles=(cycle,))


def read(images: Path, masks: Path, side: int, groups: Path | None = None) -> Patches:
    """Read all patches of two folders.

    Args:
        images: folder of pictures.
        masks: folder of masks with the same names.
        side: of a patch, pixels.
        groups: table of the event of each picture, which then decides on the split.

    Raises:
        InvalidPatches: a file cannot be used, or one side of the split is empty.
    """
    patches = stack(find(images, masks), side, read_groups(groups) if groups else None)
    for needed in (Split.TRAIN, Split.VALIDATION):
        if not len(patches.only(needed)):
            raise InvalidPatches(f"{images} holds no patch of the {needed.value} split")
    return patches


def train_member(
    spec: MemberSpec,
    patches: Patches,
    out: Path,
    done: Callable[[], None] = lambda: None,
    *,
    resume: bool = False,
    start: Mapping[str, Tensor] | None = None,
) -> Result:
    """Train one member, keep its best weights so far in ``out``, add a row to the results.

    After each epoch all that the next one hangs on is in a file beside the weights.

    Args:
        spec: the member; one that begins with another's encoder comes after it.
        patches: all patches; only those of training and validation are used.
        out: folder, made where it is not there.
        done: called after each epoch.
        resume: go on from that file where there is one, and leave alone what is finished.
        start: weights to begin with; None = random ones.

    Raises:
        ConfigurationError: the member it begins with was not trained.
        InvalidWeights: there is something else to go on from than this training.
    """
    sides = patches.only(Split.TRAIN), patches.only(Split.VALIDATION)
    lessons = PictureLessons(*sides, spec.loss)
    key = checkpoints.key_of(spec, patches.images, patches.masks, patches.sides.astype("S"))
    return train_on(
        spec, lessons, key, out, done, resume=resume, start=start or _encoder(spec, out)
    )


def train_on(
    spec: MemberSpec,
    lessons: Lessons,
    key: str,
    out: Path,
    done: Callable[[], None] = lambda: None,
    *,
    resume: bool = False,
    start: Mapping[str, Tensor] | None = None,
) -> Result:
    """Train one member on lessons of any kind; the rest is as ``train_member`` says.

    Args:
        spec: the member.
        lessons: what it learns from and is judged by.
        key: checksum over all that the training hangs on.
        out: folder, made where it is not there.
        done: called after each epoch.
        resume: go on from a checkpoint where there is one, leave alone what is finished.
        start: weights to begin with; None = random ones.

    Raises:
        InvalidWeights: as ``train_member``.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights, checkpoint = (out / f"{spec.name}{end}" for end in (SUFFIX, CHECKPOINT))
    finished = training_results.read(out).get(spec.name)
    if resume and finished and weights.is_file() and not checkpoint.is_file():
        return finished
    training = Training(spec, lessons, start)
    if resume and checkpoints.resume(checkpoint, key, training):
        for _ in range(training.epoch):
            done()
    for progress in training:
        if progress.improved is not None:
            write_whole(weights, assembly.in_half_precision(progress.improved))
        checkpoints.keep(checkpoint, key, training)
        done()
    network = spec.network.build(lessons.bands, lessons.outputs)
    result = Result(
        spec.name, spec.network.architecture, spec.network.encoder, parameters(network),
        spec.loss, spec.cycles[-1].learning_rate, training.epoch, training.best_epoch,
        round(training.best_f1, 4),
    )  # fmt: skip
    training_results.add(out, result)
    checkpoint.unlink()
    return result


def _encoder(spec: MemberSpec, out: Path) -> dict[str, Tensor] | None:
    """Return the encoder of another member, where this one begins with it."""
    if not spec.encoder_of:
        return None
    path = out / f"{spec.encoder_of}{SUFFIX}"
    if not path.is_file():
        raise ConfigurationError(f"{spec.name} begins with {spec.encoder_of}: train that first")
    return {k: v for k, v in load_file(path).items() if k.startswith("encoder.")}


def assemble(
    recipe: Recipe,
    patches: Patches,
    out: Path,
    done: Callable[[], None] = lambda: None,
    licence: str = LICENCE,
) -> Model:
    """Calibrate the trained members in ``out``, choose among them and write ``model.json``.

    Args:
        recipe: what was trained.
        patches: all patches; those of validation are used, and of training every ``EVERY``-th.
        out: folder with the weights of at least one member.
        done: called after each member.
        licence: of the weights, an SPDX identifier or ``other``.

    Raises:
        InvalidWeights: a file in ``out`` does not fit its member.
    """
    training = patches.only(Split.TRAIN)
    known = patches.only(Split.VALIDATION).and_those_of(training.every(EVERY))
    validating = known.sides == Split.VALIDATION
    members, probabilities = [], []
    for spec in recipe.members:
        file = out / f"{spec.name}{SUFFIX}"
        if file.is_file():
            raw = assembly.member_of(spec, file.read_bytes(), file)
            scores = scores_of(raw, recipe, known)
            member, probability = _calibrated(raw, scores, known, validating)
            members.append(member)
            probabilities.append(probability)
        done()
    choice = assembly.choose(probabilities, known.masks, validating, recipe.largest)
    chosen = [members[index] for index in choice.members]
    document = assembly.describe(recipe, chosen, choice, licence)
    write_whole(out / DESCRIPTION, (json.dumps(document, indent=1) + "\n").encode())
    return describe(out.name, out.parent)


def scores_of(member: Member, recipe: Recipe, patches: Patches) -> FloatArray:
    """Return what a member says of patches, not calibrated, float32 (n, y, x)."""
    network = member.load(len(recipe.bands))
    windows = Windows(recipe.window, recipe.window // 2, recipe.orientations, recipe.sides)
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
