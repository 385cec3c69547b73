"""Training of one member.

AdamW, weights averaged over the last few hundred steps, and the average judged on the validation
examples every third epoch: the best one is kept. The learning rate runs through cycles, or stays as
it is until the judgements stop improving. What is random hangs on the member's seed alone, so that
the same machine repeats a training; and all that the next epoch hangs on can be taken out after
each one (``Training.state``) and put back into another process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detectors.networks import half_precision, training_device
from detectors.training.lessons import Lessons
from detectors.training.recipes import Cycle, MemberSpec

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim.lr_scheduler import LRScheduler

WEIGHT_DECAY = 0.02
#: Share of the epochs in which the learning rate rises.
WARM_UP = 0.15
#: Memory of the average over weights, per epoch.
AVERAGING = 0.68
#: Epochs between two looks at the validation examples.
INTERVAL = 3


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


class Training:
    """One member on its way; iterate over it, one item an epoch.

    The last ``improved`` weights are the result.
    """

    def __init__(
        self, spec: MemberSpec, lessons: Lessons, start: Mapping[str, Tensor] | None = None
    ) -> None:
        """Begin.

        Args:
            spec: the member.
            lessons: what is learnt from, and what decides which epoch is kept.
            start: weights to begin with, all or some; the others are random.
        """
        import torch

        torch.manual_seed(spec.seed)
        self.epoch, self.best_epoch, self.best_f1 = 0, 0, -1.0
        self._spec, self._lessons, self._device = spec, lessons, training_device()
        network = spec.network.build(lessons.bands, lessons.outputs)
        if start is not None:
            known = {k: v.float() if v.is_floating_point() else v for k, v in start.items()}
            network.load_state_dict(network.state_dict() | known)
        self._network = network.to(self._device).to(memory_format=torch.channels_last)
        self._kept: Mapping[str, Tensor] = network.state_dict()
        self._begin(0)

    def _begin(self, cycle: int) -> None:
        """Set up optimiser, learning rate and average of a cycle."""
        from torch.optim import AdamW, lr_scheduler
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        self._number, self._epoch_of_cycle = cycle, 0
        plan = self._cycle
        steps = self._steps
        averaging = get_ema_multi_avg_fn(AVERAGING ** (1 / steps))  # type: ignore[no-untyped-call]
        self._average = AveragedModel(self._network, multi_avg_fn=averaging, use_buffers=True)
        rate = plan.learning_rate
        self._optimiser = AdamW(
            self._network.parameters(), lr=rate, weight_decay=WEIGHT_DECAY, fused=True
        )
        self._schedule: LRScheduler = (
            lr_scheduler.ConstantLR(self._optimiser, factor=1.0)
            if plan.constant
            else lr_scheduler.OneCycleLR(
                self._optimiser, rate, total_steps=plan.epochs * steps, pct_start=WARM_UP
            )
        )

    @property
    def _cycle(self) -> Cycle:
        return self._spec.cycles[self._number]

    @property
    def _steps(self) -> int:
        return self._cycle.steps or max(len(self._lessons) // self._cycle.batch, 1)

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch hangs on: tensors, numbers, lists and mappings of them."""
        import torch

        return {
            "numbers": [
                self.epoch, self.best_epoch, self.best_f1, self._number, self._epoch_of_cycle,
            ],
            "kept": dict(self._kept),
            "parts": [part.state_dict() for part in self._parts()],
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state() if self._device == "cuda" else None,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where ``state`` was taken, on the same kind of device."""
        import torch

        numbers = state["numbers"]
        self._begin(numbers[3])
        self.epoch, self.best_epoch, self.best_f1, _, self._epoch_of_cycle = numbers
        self._kept = state["kept"]
        for part, kept in zip(self._parts(), state["parts"], strict=True):
            part.load_state_dict(kept)
        torch.set_rng_state(state["random"])
        if state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"])

    def _parts(self) -> tuple[Any, ...]:
        return self._network, self._average, self._optimiser, self._schedule

    def __iter__(self) -> Iterator[Progress]:
        """Train to the end, one item an epoch."""
        while True:
            while not self._over():
                yield self._one_epoch()
            self._network.load_state_dict(self._kept)
            if self._number + 1 == len(self._spec.cycles):
                return
            self._begin(self._number + 1)

    def _over(self) -> bool:
        """Tell whether the cycle has come to its end, or nothing has come of it for too long."""
        plan = self._cycle
        waited = min(self.epoch - self.best_epoch, self._epoch_of_cycle)
        return self._epoch_of_cycle == plan.epochs or 0 < plan.patience <= waited

    def _one_epoch(self) -> Progress:
        error = self._learn()
        self.epoch += 1
        self._epoch_of_cycle += 1
        f1, improved = None, None
        if self.epoch % INTERVAL == 0 or self.epoch == self._spec.epochs:
            f1 = self._examine()
            if f1 > self.best_f1:
                now = self._average.module.state_dict()
                improved = {k: v.to("cpu", copy=True) for k, v in now.items()}
                self.best_f1, self.best_epoch, self._kept = f1, self.epoch, improved
        return Progress(self.epoch, error, f1, improved)

    def _learn(self) -> float:
        """Show the training examples once, or as many batches as are asked for; return the loss."""
        import torch

        plan, steps = self._cycle, self._steps
        self._network.train()
        sides = plan.sides
        side = sides[self._epoch_of_cycle * len(sides) // plan.epochs] if sides else None
        total = 0.0
        for chosen in torch.split(self._order(steps * plan.batch), plan.batch):
            x, y = self._lessons.batch(chosen, plan, side, self._device)
            error = self._lessons.loss(self._judge(self._network, x), y)
            self._optimiser.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
            self._optimiser.step()
            self._schedule.step()
            self._average.update_parameters(self._network)
            total += float(error.detach())
        return total / steps

    def _order(self, number: int) -> Tensor:
        """Return that many indices of examples in random order, each as often as the others."""
        import torch

        rounds = -(-number // len(self._lessons))
        return torch.cat([torch.randperm(len(self._lessons)) for _ in range(rounds)])[:number]

    def _examine(self) -> float:
        """Return F1 of the averaged network on what it does not learn from."""
        import torch

        network = self._average.module
        network.eval()
        with torch.inference_mode():
            return self._lessons.examine(lambda x: self._judge(network, x), self._device)

    def _judge(self, network: nn.Module, x: Tensor) -> Tensor:
        """Return float32 logits."""
        import torch

        with half_precision(self._device):
            logits: Tensor = network(x.contiguous(memory_format=torch.channels_last))
        return logits.float()
