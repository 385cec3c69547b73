"""Shipped ensembles: what loads, what is refused, what comes out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors import ensemble, weights
from detectors.ensemble import Ensemble, calibrated
from detectors.errors import ConfigurationError, InvalidWeights
from detectors.networks import MAXIMUM_PARAMETERS, parameters
from detectors.training import recipes

NAME = "landslide-rgb"
#: All weights of the product together, bytes.
LARGEST = 60_000_000


@pytest.fixture(scope="module")
def loaded() -> Ensemble:
    return ensemble.load(NAME)


def picture(height: int = 70, width: int = 90) -> np.ndarray:
    return np.random.default_rng(0).random((3, height, width), dtype=np.float32)


@pytest.mark.parametrize("name", weights.names())
def test_every_model_is_checked_described_and_carded(name: str) -> None:
    model = weights.describe(name)
    assert model.name == name
    for member in model.members:
        network = member.load(len(model.bands))
        assert parameters(network) <= MAXIMUM_PARAMETERS
        assert {p.dtype for p in network.parameters()} == {torch.float32}
    f1 = [member.validation_f1 for member in model.members]
    assert f1 == sorted(f1, reverse=True)
    card = (weights.MODELS / name / "CARD.md").read_text(encoding="utf-8").lower()
    for told in ("licence", "trained on", "not known"):
        assert told in card


def test_weights_of_the_product_are_small() -> None:
    assert sum(p.stat().st_size for p in weights.MODELS.rglob("*.safetensors")) <= LARGEST


@pytest.mark.parametrize("name", recipes.names())
def test_every_candidate_of_a_recipe_is_small(name: str) -> None:
    recipe = recipes.get(name)
    for spec in recipe.members:
        assert parameters(spec.network.build(len(recipe.bands))) <= MAXIMUM_PARAMETERS, spec.name
    assert len({spec.name for spec in recipe.members}) == len(recipe.members)


def test_a_map_has_mean_spread_threshold_and_version(loaded: Ensemble) -> None:
    seen = picture()
    seen[0, :5, :7] = np.nan
    found = loaded.predict(seen, orientations=1)
    assert found.mean.shape == found.spread.shape == (70, 90)
    assert found.mean.dtype == found.spread.dtype == np.float32
    unseen = np.isnan(seen).any(axis=0)
    np.testing.assert_array_equal(np.isnan(found.mean), unseen)
    np.testing.assert_array_equal(np.isnan(found.spread), unseen)
    assert np.nanmin(found.mean) >= 0
    assert np.nanmax(found.mean) <= 1
    assert 0 < np.nanmax(found.spread) <= 0.5
    assert 0 < found.threshold < 1
    assert found.version.startswith(f"{NAME}/")


def test_mean_and_spread_are_those_of_the_members(loaded: Ensemble) -> None:
    each = np.stack(list(loaded.each(picture(), orientations=1)))
    found = loaded.predict(picture(), orientations=1)
    assert len(each) == len(loaded.model.members) >= 2
    np.testing.assert_allclose(found.mean, each.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.spread, each.std(axis=0), atol=1e-5)


def test_the_same_picture_twice_is_the_same_map(loaded: Ensemble) -> None:
    first, second = (loaded.predict(picture(), orientations=1) for _ in range(2))
    np.testing.assert_array_equal(first.mean, second.mean)


def test_units_do_not_matter(loaded: Ensemble) -> None:
    reflectance = loaded.predict(picture() * 0.3, orientations=1)
    digital = loaded.predict(picture() * 0.3 * 10_000 + 1_000, orientations=1)
    np.testing.assert_allclose(reflectance.mean, digital.mean, atol=1e-2)


def test_other_bands_are_refused(loaded: Ensemble) -> None:
    with pytest.raises(ValueError, match="B04, B03, B02"):
        loaded.predict(np.zeros((4, 64, 64), np.float32))


def test_calibration_is_a_rising_curve() -> None:
    member = weights.describe(NAME).members[0]
    score = np.linspace(0, 1, 101, dtype=np.float32)
    probability = calibrated(score, member)
    assert (np.diff(probability) >= 0).all()
    assert probability.min() >= 0
    assert probability.max() <= 1


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(weights.MODELS / NAME, tmp_path / NAME)
    return tmp_path


def test_changed_weights_are_refused(copied: Path) -> None:
    member = weights.describe(NAME, copied).members[0]
    content = bytearray(member.file.read_bytes())
    content[-1] ^= 1
    member.file.write_bytes(content)
    with pytest.raises(InvalidWeights, match="was changed"):
        member.load(3)


def test_missing_weights_are_refused(copied: Path) -> None:
    member = weights.describe(NAME, copied).members[0]
    member.file.unlink()
    with pytest.raises(InvalidWeights, match="is missing"):
        member.load(3)


def test_weights_of_another_architecture_are_refused(copied: Path) -> None:
    path = copied / NAME / weights.DESCRIPTION
    document = json.loads(path.read_text())
    first = next(iter(document["assets"].values()))
    first["scarpwatch:member"]["encoder"] = "tu-resnet26d"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidWeights, match="does not fit"):
        weights.describe(NAME, copied).members[0].load(3)


@pytest.mark.parametrize("content", ["{", "{}", '{"properties": {"mlm:input": []}}'])
def test_a_spoilt_description_is_refused(copied: Path, content: str) -> None:
    (copied / NAME / weights.DESCRIPTION).write_text(content)
    with pytest.raises(InvalidWeights):
        weights.describe(NAME, copied)


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=NAME):
        weights.describe("moon")
