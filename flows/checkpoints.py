"""Where a training stands, kept in a file after each epoch, so that a kill costs one epoch."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from detectors.errors import InvalidWeights
from detectors.training.recipes import MemberSpec
from detectors.training.train import Training
from flows.files import write_whole


def key_of(spec: MemberSpec, *parts: NDArray[Any]) -> str:
    """Return a checksum over what a training hangs on: its declaration and its examples."""
    digest = hashlib.sha256(repr(spec).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def keep(path: Path, key: str, training: Training) -> None:
    """Write the state of a training."""
    buffer = io.BytesIO()
    torch.save({"key": key, "state": training.state()}, buffer)
    write_whole(path, buffer.getvalue())


def resume(path: Path, key: str, training: Training) -> bool:
    """Bring a training to the state in a file; return whether there was one.

    Raises:
        InvalidWeights: the file is broken, or of other patches or settings.
    """
    try:
        kept: dict[str, Any] = torch.load(path, weights_only=True)
    except FileNotFoundError:
        return False
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InvalidWeights(f"{path} cannot be read ({error}); delete it to begin anew") from None
    if kept["key"] != key:
        raise InvalidWeights(
            f"{path} is of a training with other patches or settings; delete it to begin anew"
        )
    training.restore(kept["state"])
    return True
