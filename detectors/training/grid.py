"""The grid of Article V (SCIENCE.md, section 4): every architecture with every loss and rate.

Nine architectures, five losses and two learning rates are ninety configurations of one recipe. All
share the encoder, so that a column of the table compares architectures and not encoders; decoders
are narrow enough for ``networks.MAXIMUM_PARAMETERS``. Where the article crops 256 pixels this
crops what the recipe's window holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from detectors.networks import Network
from detectors.training.augment import Augmentation
from detectors.training.recipes import Cycle, MemberSpec, Recipe

#: ResNet with one block a stage and a three-layer stem, without its last and widest stage.
ENCODER = "tu-resnet10t"
#: What each architecture is built with. The attention of MAnet costs 1.8 million parameters at a
#: sixteenth, and PSPNet and PAN pool their coarsest map thrice: these three end at an eighth.
ARCHITECTURES: Mapping[str, Mapping[str, Any]] = {
    "Unet": {"encoder_depth": 4, "decoder_channels": (32, 32, 24, 16)},
    "UnetPlusPlus": {"encoder_depth": 4, "decoder_channels": (32, 24, 16, 16)},
    "MAnet": {"encoder_depth": 3, "decoder_channels": (48, 32, 16), "decoder_pab_channels": 32},
    "Linknet": {"encoder_depth": 4},
    "FPN": {
        "encoder_depth": 4, "decoder_pyramid_channels": 64, "decoder_segmentation_channels": 64,
        "upsampling": 2,
    },
    "PSPNet": {"encoder_depth": 3, "psp_out_channels": 128},
    "PAN": {"encoder_depth": 3},
    "DeepLabV3": {"encoder_depth": 4, "encoder_output_stride": 8, "decoder_channels": 64},
    "DeepLabV3Plus": {"encoder_depth": 4, "encoder_output_stride": 16, "decoder_channels": 96},
}  # fmt: skip
LOSSES = ("bce", "dice", "focal", "jaccard", "lovasz")
LEARNING_RATES = (0.01, 0.001)

#: An epoch of the article: a thousand batches of four; it ends fifty epochs after the best one.
CYCLE = Cycle(
    epochs=500, batch=4, steps=1000, patience=50, constant=True,
    augmentation=Augmentation.quarters(),
)  # fmt: skip
#: Of first weights and batches: the same for all, so that configurations differ in what they are.
_SEED = 7


def grid_of(recipe: Recipe) -> Recipe:
    """Return a recipe with the grid in place of its members.

    Members are compared as they see patches: in one size and one orientation.
    """
    members = grid_members(recipe.window)
    return replace(recipe, members=members, sides=(), orientations=1, largest=len(members))


def grid_members(window: int) -> tuple[MemberSpec, ...]:
    """Return every architecture with every loss and rate, on squares of that side."""
    cycle = replace(CYCLE, crop=window, sides=(window,))
    return tuple(
        MemberSpec(
            name=f"{architecture}-{loss}-{rate}",
            network=Network(architecture, ENCODER, options),
            loss=loss,
            seed=_SEED,
            cycles=(replace(cycle, learning_rate=rate),),
        )
        for (architecture, options), loss, rate in itertools.product(
            ARCHITECTURES.items(), LOSSES, LEARNING_RATES
        )
    )
