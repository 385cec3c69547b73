"""Trained networks that come with the product, checked before use.

Each model is a folder of ``detectors/models``: one safetensors file per member in half precision,
``model.json`` (a STAC item in the words of the machine-learning extension, MLM, with the size and
the sha256 of each file) and ``CARD.md`` (what it was trained on, what it is worth, what is not
known).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from detectors.errors import ConfigurationError, InvalidWeights
from detectors.networks import Network

if TYPE_CHECKING:
    from torch import nn

MODELS = Path(__file__).with_name("models")
DESCRIPTION = "model.json"
#: Multihash prefix of sha256, as the STAC file extension writes checksums.
SHA256 = "1220"
_MEND = "install Scarpwatch again, or roll back a model of your own"


@dataclass(frozen=True, slots=True)
class Member:
    """One trained network of a model."""

    name: str
    """Name within the model."""
    network: Network
    """Its architecture."""
    file: Path
    """Its weights."""
    sha256: str
    """Of that file, hex digits."""
    slope: float
    """Calibration on validation: probability = logistic(slope * logit(score) + offset)."""
    offset: float
    """See ``slope``."""
    threshold: float
    """Calibrated probability from which this member alone says landslide, best on validation."""
    validation_f1: float
    """F1 of the landslide class at that threshold on the validation split."""

    def load(self, bands: int, outputs: int = 1) -> nn.Module:
        """Return the network with its weights in single precision, ready to judge.

        Raises:
            InvalidWeights: the file is missing, was changed, or does not fit its architecture.
        """
        import torch
        from safetensors.torch import load

        try:
            content = self.file.read_bytes()
        except FileNotFoundError:
            raise InvalidWeights(f"{self.file} is missing; {_MEND}") from None
        if (found := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise InvalidWeights(
                f"{self.file} was changed: its sha256 begins with {found[:12]}, not with "
                f"{self.sha256[:12]}; {_MEND}"
            )
        network = self.network.build(bands, outputs)
        try:
            network.load_state_dict(load(content))
        except RuntimeError as error:
            raise InvalidWeights(f"{self.file} does not fit its architecture: {error}") from None
        return network.eval().to(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class Model:
    """What ``model.json`` says."""

    name: str
    """Name of the folder and of the recipe."""
    bands: tuple[str, ...]
    """What it looks at, in this order."""
    window: int
    """Side of a window, pixels."""
    sides: tuple[int, ...]
    """Sizes a window is shown in, its side in pixels."""
    threshold: float
    """Mean probability from which the ensemble says landslide, best on validation."""
    members: tuple[Member, ...]
    """The best ones on validation, best first."""
    validation_f1: float
    """F1 of their mean on validation, at the best threshold there."""
    licence: str
    """Of the weights: an SPDX identifier, or ``other``; empty where nobody stated one."""

    classes: tuple[str, ...] = ("background", "landslide")
    """Of its maps."""
    codes: tuple[int, ...] = (0, 1)
    """Of the classes."""
    pixel_m: float = 10.0
    """Ground that a pixel covers, m."""
    means: tuple[float, ...] = ()
    """Of the bands over the training tiles; none = each window is taken about its own mean."""
    spreads: tuple[float, ...] = ()
    """Standard deviations, likewise."""
    recipe: str = ""
    """Recipe of rasters that it was made by; empty = of pictures."""

    @property
    def outputs(self) -> int:
        """Logits of a pixel: one where there are two classes, else one a class."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    @property
    def version(self) -> str:
        """Name and a checksum over all weights, as stored with detections."""
        digest = hashlib.sha256("".join(m.sha256 for m in self.members).encode()).hexdigest()
        return f"{self.name}/{digest[:12]}"


def names() -> tuple[str, ...]:
    """Return the models that come with the product."""
    return tuple(sorted(path.parent.name for path in MODELS.glob(f"*/{DESCRIPTION}")))


def describe(name: str, folder: Path = MODELS) -> Model:
    """Read the description of a model; its weights stay where they are.

    Raises:
        ConfigurationError: there is no such model.
        InvalidWeights: its description cannot be used.
    """
    path = folder / name / DESCRIPTION
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.parent.name for p in folder.glob(f"*/{DESCRIPTION}")))
        raise ConfigurationError(f"no model {name!r}; known: {known or 'none'}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidWeights(f"{path} is no JSON: {error}; {_MEND}") from None
    try:
        return _model(document, path.parent)
    except (LookupError, TypeError, ValueError) as error:
        raise InvalidWeights(f"{path} lacks or garbles {error}; {_MEND}") from None


def _model(document: Mapping[str, Any], folder: Path) -> Model:
    properties = document["properties"]
    (seen,), (said,) = properties["mlm:input"], properties["mlm:output"]
    classes, scaling = said["classification:classes"], seen.get("value_scaling", ())
    members = tuple(_members(document["assets"], folder))
    return Model(
        name=properties["mlm:name"],
        bands=tuple(seen["bands"]),
        window=int(seen["input"]["shape"][-1]),
        sides=tuple(int(side) for side in properties["scarpwatch:sides"]),
        threshold=float(properties["scarpwatch:threshold"]),
        members=members,
        validation_f1=float(properties["scarpwatch:validation_f1_by_size"][len(members) - 1]),
        licence=str(properties.get("license", "")),
        classes=tuple(str(one["name"]) for one in classes),
        codes=tuple(int(one["value"]) for one in classes),
        pixel_m=float(properties["gsd"]),
        means=tuple(float(band["mean"]) for band in scaling),
        spreads=tuple(float(band["stddev"]) for band in scaling),
        recipe=str(properties.get("scarpwatch:recipe", "")),
    )


def _members(assets: Mapping[str, Any], folder: Path) -> Iterator[Member]:
    for name, asset in assets.items():
        if "mlm:weights" not in asset["roles"]:
            continue
        own = asset["scarpwatch:member"]
        if PurePath(asset["href"]).name != asset["href"].removeprefix("./"):
            raise ValueError(f"href {asset['href']!r}, which is no file beside it")
        yield Member(
            name=name,
            network=Network(own["architecture"], own["encoder"], own["options"]),
            file=folder / asset["href"],
            sha256=asset["file:checksum"].removeprefix(SHA256),
            slope=float(own["slope"]),
            offset=float(own["offset"]),
            threshold=float(own["threshold"]),
            validation_f1=float(own["validation_f1"]),
        )
