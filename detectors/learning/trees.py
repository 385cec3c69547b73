"""Trees and forests as plain arrays: trained with scikit-learn, kept as JSON, asked without it.

No pickle: a file of numbers cannot run code, and does not depend on a version of a library. A
sample goes left where its value is not over the threshold; values are compared in single precision,
as scikit-learn compares them, so that both say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import InvalidWeights

Values = NDArray[np.float64]
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Tree:
    """One decision tree, node by node; the first one is the root."""

    feature: tuple[int, ...]
    """What a node looks at; -1 = a leaf."""
    threshold: tuple[float, ...]
    """Up to which a sample goes left."""
    left: tuple[int, ...]
    """Next node; larger than the node itself."""
    right: tuple[int, ...]
    """The same for samples over the threshold."""
    share: tuple[tuple[float, ...], ...]
    """Share of each class among the training samples of the node."""

    def shares(self, samples: NDArray[np.float32]) -> Values:
        """Return float64 (n, class) of the leaf each sample of (n, feature) comes to."""
        feature, threshold = np.array(self.feature), np.array(self.threshold)
        following = np.stack([np.array(self.left), np.array(self.right)])
        node = np.zeros(len(samples), dtype=np.intp)
        going = np.flatnonzero(feature[node] >= 0)
        while len(going):
            at = node[going]
            over = samples[going, feature[at]] > threshold[at]
            node[going] = following[over.astype(np.intp), at]
            going = going[feature[node[going]] >= 0]
        found: Values = np.array(self.share)[node]
        return found


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees that vote; a single tree is a forest of one."""

    recipe: str
    """What it is part of."""
    features: tuple[str, ...]
    """What a sample consists of, in this order."""
    classes: tuple[int, ...]
    """Codes, 1 and more."""
    trees: tuple[Tree, ...]
    """At least one."""
    bands_of: str = ""
    """Recipe of rasters whose bands the features are; empty = as rasters hold them."""

    def shares(self, samples: NDArray[np.floating[Any]]) -> Values:
        """Return the mean share of each class, float64 (n, class); samples without gaps."""
        single = samples.astype(np.float32)
        total = np.zeros((len(single), len(self.classes)))
        for tree in self.trees:
            total += tree.shares(single)
        return total / len(self.trees)

    def predict(self, samples: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Return the code of the class with the largest share, (n,); a tie takes the first."""
        codes: NDArray[np.int64] = np.array(self.classes)[self.shares(samples).argmax(axis=1)]
        return codes

    def to_json(self) -> str:
        """Return the forest as text."""
        return json.dumps({"format": _FORMAT, **asdict(self)}) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Forest:
        """Return the forest that was written as text.

        Raises:
            InvalidWeights: it is something else, or its nodes lead nowhere.
        """
        try:
            read: Mapping[str, Any] = json.loads(text)
            form = int(read["format"])
            forest = cls(
                str(read["recipe"]),
                tuple(map(str, read["features"])),
                tuple(map(int, read["classes"])),
                tuple(_tree(tree) for tree in read["trees"]),
                str(read.get("bands_of", "")),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidWeights(f"no trees of ours: {error}; train them again") from None
        if form != _FORMAT:
            raise InvalidWeights(f"trees in format {form}, not {_FORMAT}; train them again")
        if not (forest.trees and forest.classes) or not all(
            _sound(tree, len(forest.features), len(forest.classes)) for tree in forest.trees
        ):
            raise InvalidWeights("the nodes of a tree lead nowhere; train it again")
        return forest


def of_sklearn(recipe: str, features: Sequence[str], fitted: Sequence[Any], codes: Any) -> Forest:
    """Return trained trees of scikit-learn as a forest.

    Args:
        recipe: what it will be part of.
        features: names of what it was trained on.
        fitted: ``DecisionTreeClassifier`` objects.
        codes: class codes in the order of their ``classes_``.
    """
    trees = []
    for one in fitted:
        nodes, shares = one.tree_, one.tree_.value[:, 0]
        shares = shares / shares.sum(axis=1, keepdims=True)
        trees.append(
            Tree(
                tuple(int(f) if f >= 0 else -1 for f in nodes.feature),
                tuple(map(float, nodes.threshold)),
                tuple(map(int, nodes.children_left)),
                tuple(map(int, nodes.children_right)),
                tuple(tuple(round(float(v), 6) for v in row) for row in shares),
            )
        )
    return Forest(recipe, tuple(features), tuple(int(code) for code in codes), tuple(trees))


def _tree(read: Mapping[str, Any]) -> Tree:
    return Tree(
        tuple(map(int, read["feature"])),
        tuple(map(float, read["threshold"])),
        tuple(map(int, read["left"])),
        tuple(map(int, read["right"])),
        tuple(tuple(map(float, row)) for row in read["share"]),
    )


def _sound(tree: Tree, features: int, classes: int) -> bool:
    """Tell whether every way through a tree ends in a leaf."""
    many = len(tree.feature)
    parts = (tree.threshold, tree.left, tree.right, tree.share)
    if not many or {len(part) for part in parts} != {many}:
        return False
    inner = [node for node in range(many) if tree.feature[node] >= 0]
    # Always on to a larger number: no circles.
    onward = all(node < side[node] < many for node in inner for side in (tree.left, tree.right))
    return (
        onward and max(tree.feature) < features and all(len(row) == classes for row in tree.share)
    )
