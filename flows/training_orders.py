"""What is to be trained on what, in words that a command line and a flow can pass on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from detectors import ensemble
from detectors.training import recipes
from detectors.training.dataset import Patches
from detectors.training.grid import grid_of
from detectors.training.recipes import MemberSpec, Recipe
from detectors.weights import Model
from flows import training
from flows.fine_tuning import Beginning
from flows.training_results import Result

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Order:
    """A training; the names are those of the options of ``scarpwatch train``."""

    recipe: str
    """Name."""
    images: str
    """Folder of pictures."""
    masks: str
    """Folder of masks."""
    out: str
    """Folder for weights and results."""
    grid: bool = False
    """Every architecture with every loss and rate instead of the members of the recipe."""
    members: Sequence[str] | None = None
    """Patterns of names; None = all."""
    epochs: int | None = None
    """Instead of what the recipe says."""
    steps: int | None = None
    """Batches in an epoch, likewise."""
    crop: int | None = None
    """Side of what is learnt from, pixels, likewise."""
    groups: str | None = None
    """Table of the event of each picture."""
    begin_with: str | None = None
    """Folder of a model whose members are trained on."""

    @cached_property
    def beginning(self) -> Beginning | None:
        """What is trained on.

        Raises:
            InvalidWeights: it is broken.
        """
        folder = Path(self.begin_with) if self.begin_with else None
        return Beginning(ensemble.load(folder.name, folder.parent)) if folder else None

    @cached_property
    def declared(self) -> Recipe:
        """The recipe, with other members where the grid or a beginning was ordered.

        Raises:
            ConfigurationError: there is no such recipe.
        """
        recipe = recipes.get(self.recipe)
        if self.beginning:
            return self.beginning.recipe(recipe)
        return grid_of(recipe) if self.grid else recipe

    @cached_property
    def patches(self) -> Patches:
        """All patches.

        Raises:
            InvalidPatches: a file cannot be used.
        """
        groups = Path(self.groups) if self.groups else None
        return training.read(Path(self.images), Path(self.masks), self.declared.window, groups)

    def names(self) -> list[str]:
        """Return the names of the members that are to be trained."""
        return [spec.name for spec in training.candidates(self.declared, self.members)]

    def spec(self, member: str) -> MemberSpec:
        """Return a member as it is to be trained."""
        (spec,) = training.candidates(self.declared, [member])
        return training.shortened(spec, self.epochs, self.steps, self.crop)

    def train(
        self, member: str, done: Callable[[], None] = lambda: None, *, resume: bool = True
    ) -> Result:
        """Train one member.

        Raises:
            ScarpwatchError: as ``training.train_member``.
        """
        start: Mapping[str, Mapping[str, Tensor]] = (
            self.beginning.weights() if self.beginning else {}
        )
        return training.train_member(
            self.spec(member), self.patches, Path(self.out), done,
            resume=resume, start=start.get(member),
        )  # fmt: skip

    def assemble(
        self, done: Callable[[], None] = lambda: None, licence: str = training.LICENCE
    ) -> Model:
        """Put the best of what the folder holds together."""
        return training.assemble(self.declared, self.patches, Path(self.out), done, licence)
