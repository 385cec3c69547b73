"""The grid: what it declares, that all of it can be trained, and which patches it learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from detectors.errors import InvalidPatches
from detectors.networks import MAXIMUM_PARAMETERS, parameters
from detectors.training import losses, recipes
from detectors.training.augment import Augmentation, crop
from detectors.training.dataset import Split, split_of_groups
from detectors.training.grid import ARCHITECTURES, LEARNING_RATES, LOSSES, grid_of

GRID = grid_of(recipes.get("landslide-rgb"))


def test_the_grid_is_that_of_the_article() -> None:
    assert (len(ARCHITECTURES), len(LOSSES), LEARNING_RATES) == (9, 5, (0.01, 0.001))
    assert len({member.name for member in GRID.members}) == 90
    seen = {(m.network.architecture, m.loss, m.cycles[0].learning_rate) for m in GRID.members}
    assert len(seen) == 90
    (cycle,) = {m.cycles[0].patience for m in GRID.members}
    assert cycle == 50


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_learns_within_its_size(architecture: str) -> None:
    spec = next(m for m in GRID.members if m.network.architecture == architecture)
    network = spec.network.build(3)
    assert parameters(network) <= MAXIMUM_PARAMETERS
    logits = network(torch.randn(2, 3, 128, 128))
    assert logits.shape == (2, 1, 128, 128)
    logits.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    for side in (64, 80, 96):
        assert network(torch.randn(2, 3, side, side)).shape[2:] == (side, side)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_prefers_the_truth(name: str) -> None:
    truth = torch.zeros(2, 1, 16, 16)
    truth[:, :, 4:9, 4:9] = 1.0
    right = ((truth * 2 - 1) * 6).requires_grad_()
    loss = losses.create(name)
    assert loss(right, truth) < loss(-right, truth)
    loss(right, truth).backward()
    assert right.grad is not None


def test_a_crop_holds_a_landslide_pixel_where_there_is_one() -> None:
    torch.manual_seed(0)
    y = torch.zeros(64, 1, 48, 40)
    for number in range(63):
        y[number, 0, torch.randint(48, (1,)), torch.randint(40, (1,))] = 1.0
    x = y.repeat(1, 3, 1, 1)
    cut, truth = crop(x, y, 16)
    assert cut.shape == (64, 3, 16, 16)
    assert torch.equal(cut[:, :1], truth)
    assert truth.flatten(1).sum(dim=1).tolist() == [1.0] * 63 + [0.0]


def test_quarters_move_pixels_and_change_none() -> None:
    torch.manual_seed(1)
    x = torch.rand(16, 3, 32, 32)
    turned, _ = Augmentation.quarters()(x, torch.zeros(16, 1, 32, 32))
    assert not torch.allclose(turned, x, atol=0.1)
    torch.testing.assert_close(
        turned.flatten(2).sort().values, x.flatten(2).sort().values, atol=1e-3, rtol=0
    )


def test_events_are_on_one_side_as_wholes() -> None:
    groups = np.repeat(np.arange(21), np.arange(1, 22) * 3)
    sides = split_of_groups(groups)
    for group in range(21):
        assert len(set(sides[groups == group])) == 1
    shares = {side: np.mean(sides == side) for side in Split}
    assert 1 / 7 <= shares[Split.VALIDATION] < 0.2
    assert 1 / 7 <= shares[Split.TEST] < 0.2
    assert set(split_of_groups(np.array([5, 5, 6, 7, 7, 7]))) == set(Split)
    with pytest.raises(InvalidPatches, match="three"):
        split_of_groups(np.array([1, 1, 2]))
