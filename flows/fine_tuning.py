"""A model in use, trained on by an operator's own inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.ensemble import Ensemble
from detectors.training import metrics, recipes
from detectors.training.dataset import Patches, Split
from detectors.training.recipes import Recipe
from detectors.weights import Model

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a fine-tuning begins with."""

    ensemble: Ensemble
    """The model as it is."""

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return a recipe whose members are those of the model."""
        networks = {member.name: member.network for member in self.ensemble.model.members}
        return recipes.continued(recipe, networks)

    def weights(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Return the weights of each member, by its name."""
        model = self.ensemble.model
        return {
            member.name: network.state_dict()
            for member, network in zip(model.members, self.ensemble.networks, strict=True)
        }

    def f1(self, patches: Patches) -> float:
        """Return its F1 on the validation patches as it is, at the best threshold there."""
        validation = patches.only(Split.VALIDATION)
        total = np.zeros((2, metrics.STEPS), dtype=np.int64)
        for image, mask in zip(validation.images, validation.masks, strict=True):
            said = self.ensemble.predict(image.astype(np.float32))
            total += metrics.tally(said.mean, mask)
        return metrics.best_threshold(total)[1]


def card(model: Model, began: Model, before: float, after: float, patches: Patches) -> str:
    """Return what an operator has to know of a fine-tuned model, in Markdown.

    Args:
        model: what came out.
        began: what it began with.
        before: F1 of ``began`` on validation.
        after: F1 of the model there.
        patches: what it was trained on.
    """
    counts = {side: patches.only(side) for side in Split}
    training = counts[Split.TRAIN]
    shares = ", ".join(
        f"{len(part)} {side.value} in {len(np.unique(part.groups))} groups"
        for side, part in counts.items()
    )
    return f"""# {model.name}, fine-tuned

| version | F1 on validation, best threshold |
| --- | --- |
| `{began.version}`, which it began with | {before:.3f} |
| `{model.version}` | {after:.3f} |

## Trained on

An inventory of the operator's own: {shares} (patches of {patches.masks.shape[1]} pixels; whole
groups on one side). {100 * training.masks.mean():.1f} % of the training pixels are landslides.
Validation chose epochs, members and, with every fourth training patch, threshold and calibration.

**Licence:** {model.licence}. The weights it began with are under that of {began.version}
({began.licence}).

## Not known

- What it is worth on patches that nothing was chosen on: the test side was not looked at
  (`scarpwatch models report` does).
- What it is worth elsewhere, or in another season, than the inventory shows; there it may have
  become worse than what it began with.
- False alarms on quiet ground, where the inventory holds none.
"""
