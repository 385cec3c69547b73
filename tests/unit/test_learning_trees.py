"""Trees as plain arrays say what scikit-learn says, and survive the way through a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from detectors.errors import InvalidWeights
from detectors.learning.trees import Forest, of_sklearn


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    values = draw.normal(0, 1, (400, 4))
    return values, np.digitize(
        values[:, 0] * values[:, 1] + draw.normal(0, 0.3, 400), [-0.3, 0.3]
    ) + 3


@pytest.mark.parametrize("seed", range(3))
def test_as_scikit_learn(seed: int) -> None:
    values, codes = samples(seed)
    tree = DecisionTreeClassifier(random_state=seed).fit(values, codes)
    forest = RandomForestClassifier(20, min_samples_leaf=2, random_state=seed).fit(values, codes)
    asked = np.random.default_rng(seed + 9).normal(0, 1, (1000, 4))
    for fitted, trees in ((tree, [tree]), (forest, forest.estimators_)):
        ours = of_sklearn("cart", "abcd", trees, fitted.classes_)
        assert ours.shares(asked) == pytest.approx(fitted.predict_proba(asked), abs=1e-5)
        assert (ours.predict(values) == fitted.predict(values)).mean() > 0.999
        assert Forest.from_json(ours.to_json()) == ours


def test_a_value_on_the_threshold_goes_left() -> None:
    tree = DecisionTreeClassifier().fit([[0.1], [0.3]], [1, 2])
    ours = of_sklearn("cart", "a", [tree], tree.classes_)
    on = np.array([[tree.tree_.threshold[0]]])
    assert (ours.predict(on) == tree.predict(on)).all()


def test_other_files_are_refused() -> None:
    values, codes = samples(0)
    tree = DecisionTreeClassifier(max_depth=2).fit(values, codes)
    good = json.loads(of_sklearn("cart", "abcd", [tree], tree.classes_).to_json())
    for spoil in (
        {"format": 2}, {"trees": []}, {"classes": []}, {"trees": [{}]}, {"features": ["a"] * 0},
        {"trees": [good["trees"][0] | {"left": [0] * len(good["trees"][0]["left"])}]},
        {"trees": [good["trees"][0] | {"share": [[1.0]]}]},
    ):  # fmt: skip
        with pytest.raises(InvalidWeights):
            Forest.from_json(json.dumps(good | spoil))
    for text in ("no", "[]", "{}"):
        with pytest.raises(InvalidWeights):
            Forest.from_json(text)
