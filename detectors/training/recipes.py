"""What is trained on what, by name.

A recipe is a declaration: bands, window, and the members that compete for a place in the ensemble.
Adding one is one entry in ``_RECIPES``; adding a member is one line in its recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from detectors.errors import ConfigurationError
from detectors.inference import ORIENTATIONS
from detectors.networks import Network
from detectors.training.augment import Augmentation


@dataclass(frozen=True, slots=True)
class Cycle:
    """One rise and fall of the learning rate."""

    epochs: int = 36
    """Passes over the training patches."""
    batch: int = 8
    """Patches per step."""
    learning_rate: float = 3e-3
    """Highest one, AdamW."""
    sides: tuple[int, ...] = (80, 96) * 12 + (80, 96, 128) * 4
    """Sizes patches are shown in, their side in pixels, each for as many epochs as the others, in
    this order. Coarse ones cost less and teach as much."""
    crop: int = 0
    """Side of what is cut out of each patch, around a landslide pixel where it has one, pixels;
    0 = the whole patch."""
    steps: int = 0
    """Batches in an epoch; 0 = as many as the training patches fill."""
    constant: bool = False
    """Whether the learning rate stays as it is instead of rising and falling."""
    patience: int = 0
    """Epochs without a better F1 on validation after which the cycle ends; 0 = never before its
    time."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How far patches are changed."""


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One network and how it is trained."""

    name: str
    """Unique within the recipe; names the file."""
    network: Network
    """Architecture; at most 3 million parameters."""
    loss: str
    """Name in ``detectors.training.losses``."""
    seed: int
    """Of its first weights and of everything random in its training."""
    cycles: tuple[Cycle, ...] = (Cycle(),)
    """Each further one goes on from the best weights of the one before."""
    encoder_of: str = ""
    """An earlier member of the recipe whose encoder it begins with; empty = random numbers."""

    @property
    def epochs(self) -> int:
        """Of all cycles together."""
        return sum(cycle.epochs for cycle in self.cycles)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A kind of map and the ensemble that makes it."""

    name: str
    """Also of the folder of its weights."""
    bands: tuple[str, ...]
    """Bands of a picture, in this order."""
    window: int
    """Side of a training patch and of a window at run time, pixels."""
    sides: tuple[int, ...]
    """Sizes a window is shown in at run time, its side in pixels; what they say is averaged."""
    pixel_m: float
    """Ground that a pixel covers, m."""
    members: tuple[MemberSpec, ...]
    """Candidates."""
    largest: int
    """At most so many of them make the ensemble: the best on validation."""
    orientations: int = ORIENTATIONS
    """Turns and mirror images that are averaged when members are compared, 1 to 8."""


_RESNET = Network("Unet", "tu-resnet18", {"encoder_depth": 4, "decoder_channels": (32, 32, 24, 16)})
_LINKNET = Network("Linknet", "tu-resnet18", {"encoder_depth": 4})

_SIDES = (64, 80, 96, 128)
#: The first member was trained on whole patches; showing them coarser came later.
_WHOLE = Cycle(40, 16, 4e-3, sides=(128,))
_AGAIN = Cycle(24, 8, 2e-3, sides=(96, 128))
#: Mostly coarse, whole patches towards the end.
_LONG = Cycle(36, 8, 2.5e-3, sides=(80, 96) * 10 + (80, 96, 128) * 4)
_SHORTER = Cycle(30, 8, 2.5e-3, sides=(80, 96) * 9 + (80, 96, 128) * 4)

_RECIPES: Mapping[str, Recipe] = {
    "landslide-rgb": Recipe(
        name="landslide-rgb",
        bands=("B04", "B03", "B02"),
        window=128,
        sides=_SIDES,
        pixel_m=10.0,
        largest=8,
        members=(
            MemberSpec("unet-resnet-a", _RESNET, "bce+dice", 11, (_WHOLE, _AGAIN, _SHORTER, _LONG)),
            MemberSpec(
                "unet-resnet-b",
                _RESNET,
                "bce+jaccard",
                24,
                (
                    Cycle(48, sides=(96, 96, 128)),
                    Cycle(28, 8, 2e-3, sides=_SIDES * 7),
                    Cycle(12, 8, 1.5e-3, sides=_SIDES * 3),
                    _SHORTER,
                ),
            ),
            MemberSpec(
                "linknet-resnet",
                _LINKNET,
                "bce+jaccard",
                32,
                (replace(_LONG, learning_rate=3e-3),) * 3,
                encoder_of="unet-resnet-a",
            ),
        ),
    ),
}

#: An inventory of a hundred pictures moves weights that work; it must not wash them away.
_FINE = Cycle(epochs=12, batch=8, learning_rate=5e-4, sides=_SIDES * 3)


def continued(recipe: Recipe, networks: Mapping[str, Network]) -> Recipe:
    """Return a recipe that trains other members on: the networks of a model, by name.

    A member that the recipe knows by that name keeps its loss; others take the first one's.
    """
    losses = {member.name: member.loss for member in recipe.members}
    members = tuple(
        MemberSpec(name, network, losses.get(name, recipe.members[0].loss), number, (_FINE,))
        for number, (name, network) in enumerate(networks.items(), start=1)
    )
    return replace(recipe, members=members)


def names() -> tuple[str, ...]:
    """Return the recipes that there are."""
    return tuple(_RECIPES)


def get(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        ConfigurationError: there is no such recipe.
    """
    try:
        return _RECIPES[name]
    except KeyError:
        raise ConfigurationError(f"no recipe {name!r}; known: {', '.join(names())}") from None
