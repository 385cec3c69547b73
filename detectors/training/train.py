"""Training of one member.

AdamW under cycles of the learning rate, weights averaged over the last few hundred steps, and the
average judged on the validation patches every third epoch: the best one is kept. Patches are shown
in several sizes, as they will be at run time. What is random hangs on the member's seed alone, so
that the same machine repeats a training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.networks import half_precision
from detectors.stretch import standardise_windows
from detectors.training import losses, metrics
from detectors.training.augment import Augmentation
from detectors.training.dataset import Patches
from detectors.training.losses import Loss
from detectors.training.recipes import Cycle, MemberSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHT_DECAY = 0.02
#: Share of the epochs in which the learning rate rises.
WARM_UP = 0.15
#: Memory of the average over weights, per epoch.
AVERAGING = 0.68
#: Epochs between two looks at the validation patches.
INTERVAL = 3
#: Patches judged at once on validation.
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands after an epoch."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over the epoch."""
    validation_f1: float | None
    """Of the averaged weights at their best threshold; None where they were not judged."""
    improved: dict[str, Tensor] | None
    """The averaged weights, where they are the best so far."""


def train(
    spec: MemberSpec,
    training: Patches,
    validation: Patches,
    encoder: Mapping[str, Tensor] | None = None,
) -> Iterator[Progress]:
    """Train one member, one item per epoch; the last ``improved`` weights are the result.

    Args:
        spec: the member.
        training: what is learnt from.
        validation: what decides which epoch is kept.
        encoder: weights of the member whose encoder it begins with.
    """
    import torch

    torch.manual_seed(spec.seed)
    network = spec.network.build(training.images.shape[1])
    if encoder is not None:
        shared = {k: v.float() for k, v in encoder.items() if k.startswith("encoder.")}
        network.load_state_dict(network.state_dict() | shared)
    best, epoch, kept = -1.0, 0, network.state_dict()
    for cycle in spec.cycles:
        for error, average in _cycle(network, cycle, losses.create(spec.loss), training):
            epoch += 1
            f1, improved = None, None
            if epoch % INTERVAL == 0 or epoch == spec.epochs:
                _, f1 = metrics.best_threshold(_examine(average, validation))
                if f1 > best:
                    best, improved = f1, {k: v.clone() for k, v in average.state_dict().items()}
                    kept = improved
            yield Progress(epoch, error, f1, improved)
        network.load_state_dict(kept)


def _cycle(
    network: nn.Module, cycle: Cycle, loss: Loss, training: Patches
) -> Iterator[tuple[float, nn.Module]]:
    """Train through one cycle; yield after each epoch the mean loss and the averaged network."""
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    network = network.to(memory_format=torch.channels_last)
    images = torch.from_numpy(training.images)
    masks = torch.from_numpy(training.masks[:, None])
    steps = max(len(images) // cycle.batch, 1)
    averaging = get_ema_multi_avg_fn(AVERAGING ** (1 / steps))  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)
    rate = cycle.learning_rate
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=rate, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=cycle.epochs * steps, pct_start=WARM_UP
    )
    augment = Augmentation()
    for epoch in range(cycle.epochs):
        network.train()
        side = cycle.sides[epoch * len(cycle.sides) // cycle.epochs]
        total = 0.0
        order = torch.randperm(len(images))[: steps * cycle.batch]
        for chosen in torch.split(order, cycle.batch):
            x, y = augment(images[chosen] / 255.0, masks[chosen].float(), side)
            error = loss(_judge(network, x), y)
            optimiser.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(network)
            total += float(error.detach())
        yield total / steps, average.module


def _examine(network: nn.Module, patches: Patches) -> metrics.Counts:
    """Tally the scores of a network, each patch as it is."""
    import torch

    network.eval()
    total = np.zeros((2, metrics.STEPS), dtype=np.int64)
    with torch.inference_mode():
        for start in range(0, len(patches), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            x = torch.from_numpy(patches.images[part]) / 255.0
            score = torch.sigmoid(_judge(network, x))[:, 0].numpy()
            total += metrics.tally(score, patches.masks[part])
    return total


def _judge(network: nn.Module, x: Tensor) -> Tensor:
    """Return float32 logits of pictures that are standardised first."""
    import torch

    seen = standardise_windows(x).contiguous(memory_format=torch.channels_last)
    with half_precision():
        logits: Tensor = network(seen)
    return logits.float()
