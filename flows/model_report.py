"""What a training folder is worth: members, ensembles of the K best, their pictures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alerts.wording import strict_json
from detectors.ensemble import Ensemble
from detectors.errors import ConfigurationError, InvalidPatches
from detectors.training import assembly, ensembles, metrics
from detectors.training.dataset import Patches, Split
from detectors.training.ensembles import Judged, Ranking
from detectors.training.grid import grid_of
from detectors.training.metrics import Counts
from detectors.training.recipes import MemberSpec, Recipe
from flows import learning_pictures as pictures
from flows import training, training_results
from flows.files import write_whole

#: Pictures in the agreement map.
EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class Report:
    """Figures and pictures."""

    figures: Mapping[str, Any]
    """As JSON."""
    pictures: Mapping[str, bytes]
    """PNG by file name."""

    def write(self, folder: Path) -> None:
        """Write all into a folder, made where it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.pictures.items():
            write_whole(folder / name, content)
        text = json.dumps(strict_json(self.figures), indent=1)
        write_whole(folder / "report.json", f"{text}\n".encode())


def trained(recipe: Recipe, folder: Path) -> list[MemberSpec]:
    """Return the members of a recipe, and of its grid, that a folder holds weights of.

    Raises:
        ConfigurationError: there is none.
    """
    declared = (*recipe.members, *grid_of(recipe).members)
    found = [spec for spec in declared if (folder / f"{spec.name}{training.SUFFIX}").is_file()]
    if not found:
        raise ConfigurationError(f"{folder} holds no weights of {recipe.name}; train some first")
    return found


def report(
    recipe: Recipe,
    folder: Path,
    patches: Patches,
    against: Ensemble | None = None,
    done: Callable[[], None] = lambda: None,
) -> Report:
    """Rank the members of a training folder, average the best, compare on the test side.

    Members see patches as they are, in one size and orientation.

    Args:
        recipe: what was trained.
        folder: with weights.
        patches: all; validation decides, the test is counted.
        against: another ensemble to compare with, in its own sizes and one orientation.
        done: called after each member.

    Raises:
        ConfigurationError: the folder holds no weights.
        InvalidPatches: there are no test patches.
        InvalidWeights: a file does not fit its member.
    """
    specs = trained(recipe, folder)
    sides = patches.only(Split.VALIDATION), patches.only(Split.TEST)
    if not all(map(len, sides)):
        raise InvalidPatches("no patches of the validation or of the test side")
    validation, test = sides
    plain = grid_of(recipe)
    said = []
    for spec in specs:
        file = folder / f"{spec.name}{training.SUFFIX}"
        member = assembly.member_of(spec, file.read_bytes(), file)
        scores = [training.scores_of(member, plain, side) for side in sides]
        said.append(ensembles.probabilities(scores[0], validation.masks, scores[1]))
        done()
    ranking = ensembles.rank(
        [first for first, _ in said], validation.masks, [second for _, second in said], test.masks
    )
    figures = _figures(ranking, specs, test)
    if against is not None:
        figures["against"] = _against(ranking.by_size[ranking.best_size - 1], against, test)
    trained_rows = training_results.read(folder)
    names = [specs[index].name for index in ranking.order]
    drawn = {
        "performance.png": pictures.draw_performance(ranking, names),
        "sizes.png": pictures.draw_sizes(ranking),
        "agreement.png": _agreement(ranking, [second for _, second in said], test),
        "reliability.png": pictures.draw_reliability(_pooled(ranking)),
    }
    if trained_rows:
        drawn["results.png"] = training_results.draw(list(trained_rows.values()))
    return Report(figures, drawn)


def _figures(ranking: Ranking, specs: list[MemberSpec], test: Patches) -> dict[str, Any]:
    single, ensemble = ranking.by_size[0], ranking.by_size[ranking.best_size - 1]
    return {
        "patches": len(test),
        "groups": len(np.unique(test.groups)),
        "best_size": ranking.best_size,
        "single": _row(single),
        "ensemble": _row(ensemble),
        "gain_interval": _gain(ensemble, single.tallies, single.threshold, test),
        "members": [
            {
                "member": specs[index].name,
                "architecture": specs[index].network.architecture,
                "loss": specs[index].loss,
                "learning_rate": specs[index].cycles[-1].learning_rate,
                **_row(judged),
            }
            for index, judged in zip(ranking.order, ranking.members, strict=True)
        ],
        "by_size": [_row(judged) for judged in ranking.by_size],
    }


def _row(judged: Judged) -> dict[str, Any]:
    return {
        "threshold": judged.threshold,
        "validation_f1": judged.validation_f1,
        "test": dataclasses.asdict(judged.test),
    }


def _gain(ours: Judged, theirs: Counts, threshold: float, test: Patches) -> tuple[float, float]:
    """Return the 95 % interval of the gain in F1 on the test, drawing whole groups."""
    return metrics.bootstrap_difference(
        metrics.f1_by_patch(ours.tallies, ours.threshold),
        metrics.f1_by_patch(theirs, threshold),
        test.groups,
    )


def _against(ours: Judged, asked: Ensemble, test: Patches) -> dict[str, Any]:
    tallies = np.stack(
        [
            metrics.tally(asked.predict(image.astype(np.float32), orientations=1).mean, mask)
            for image, mask in zip(test.images, test.masks, strict=True)
        ]
    )
    threshold = asked.model.threshold
    return {
        "version": asked.model.version,
        "test": dataclasses.asdict(metrics.measure(tallies.sum(axis=0), threshold)),
        "gain_interval": _gain(ours, tallies, threshold, test),
    }


def _agreement(ranking: Ranking, said: list[Any], test: Patches) -> bytes:
    """Return the agreement map of a few test patches."""
    chosen = ensembles.examples(test.masks, EXAMPLES)
    single, ensemble = ranking.by_size[0], ranking.by_size[ranking.best_size - 1]
    best = [said[index][chosen].astype(np.float32) for index in ranking.order[: ranking.best_size]]
    codes = ensembles.agreement(
        test.masks[chosen],
        best[0] >= single.threshold,
        np.mean(best, axis=0) >= ensemble.threshold,
    )
    return pictures.draw_agreement(list(test.images[chosen]), list(codes))


def _pooled(ranking: Ranking) -> dict[str, Counts]:
    best = ranking.best_size
    return {
        "best single member": ranking.by_size[0].tallies.sum(axis=0),
        f"mean of the {best} best": ranking.by_size[best - 1].tallies.sum(axis=0),
    }
