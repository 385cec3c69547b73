"""Which version of a model is asked: the one that comes with the product, or an operator's own.

::

    .scarpwatch/models/NAME/VERSION/    model.json, CARD.md, weights; never changed once it is there
    .scarpwatch/models/NAME/history.json    what was promoted and rolled back, when; only grows

A version is the first twelve digits of a checksum over all its weights. Whatever is copied is
checked before it gets its name, and again before it is promoted, so that a broken model never
takes the place of one that works.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from detectors import weights
from detectors.errors import ConfigurationError, InvalidWeights
from detectors.weights import DESCRIPTION, Model
from flows.files import write_whole

CARD = "CARD.md"
HISTORY = "history.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history of a model."""

    at: str
    """When, ISO 8601, UTC."""
    did: str
    """``promote`` or ``rollback``."""
    version: str
    """Digits of the version in use from then on; empty = the one that comes with the product."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The models of an operator over those of the product."""

    folder: Path
    """``models`` of the state folder; need not be there."""

    def names(self) -> tuple[str, ...]:
        """Return the models that there are."""
        own = (p.name for p in self.folder.glob("*") if p.is_dir())
        return tuple(sorted({*weights.names(), *own}))

    def versions(self, name: str) -> list[Path]:
        """Return the folders of all versions of a model, the product's first."""
        own = (p.parent for p in (self.folder / name).glob(f"[0-9a-f]*/{DESCRIPTION}"))
        return [*self._shipped(name), *sorted(own)]

    def in_use(self, name: str) -> Path:
        """Return the folder of the version that is asked.

        Raises:
            ConfigurationError: there is no such model.
            InvalidWeights: what was promoted is gone, or its history garbled.
        """
        history = self.history(name)
        if history and history[-1].version:
            path = self.folder / name / history[-1].version
            if not (path / DESCRIPTION).is_file():
                raise InvalidWeights(f"{path} is missing; 'scarpwatch models rollback {name}'")
            return path
        if shipped := self._shipped(name):
            return shipped[0]
        raise ConfigurationError(
            f"no model {name!r} in use; known: {', '.join(self.names()) or 'none'}"
        )

    def find(self, version: str) -> Path:
        """Return the folder of a version (``NAME/DIGITS``), or of the one in use (``NAME``).

        Raises:
            ConfigurationError: there is none.
        """
        name, _, digits = version.partition("/")
        if not digits:
            return self.in_use(name)
        own = self.folder / name / digits
        if (own / DESCRIPTION).is_file():
            return own
        for path in self._shipped(name):
            if weights.describe(path.name, path.parent).version == version:
                return path
        raise ConfigurationError(f"no version {version!r}; 'scarpwatch models list' has all")

    def history(self, name: str) -> list[Change]:
        """Return what was promoted and rolled back, oldest first.

        Raises:
            InvalidWeights: the file cannot be read.
        """
        path = self.folder / name / HISTORY
        try:
            return [Change(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:
            raise InvalidWeights(f"{path} is garbled: {error}") from None

    def add(self, source: Path) -> Path:
        """Copy a trained model into the registry; return its folder there. Nothing is promoted.

        Raises:
            ConfigurationError: it has no description.
            InvalidWeights: it is incomplete, changed, or lacks card or licence.
        """
        model = weights.describe(source.name, source.parent)
        place = self.folder / model.name
        target = place / _digits(model)
        with self._alone(model.name):
            if not target.exists():
                part = place / f".{target.name}.{os.getpid()}.part"
                try:
                    _copy(model, source, part)
                    check(part)
                    part.rename(target)
                finally:
                    shutil.rmtree(part, ignore_errors=True)
        check(target)
        return target

    def promote(self, version: str) -> Model:
        """Let a version be asked from now on.

        Raises:
            ConfigurationError: there is none, or it is in use.
            InvalidWeights: it is broken; the one before stays in use.
        """
        path = self.find(version)
        model = check(path)
        with self._alone(model.name):
            if path == self.in_use_or_none(model.name):
                raise ConfigurationError(f"{model.version} is in use already")
            digits = "" if path in self._shipped(model.name) else path.name
            self._write(model.name, "promote", digits)
        return model

    def rollback(self, name: str) -> Model:
        """Return to the version that was in use before the one that is.

        Raises:
            ConfigurationError: nothing was promoted.
            InvalidWeights: the one before is broken; nothing changes.
        """
        with self._alone(name):
            before = _before(self.history(name))
            if before is None:
                raise ConfigurationError(f"nothing to roll back: no {name} was promoted")
            paths = [self.folder / name / before] if before else self._shipped(name)
            if not paths:
                raise ConfigurationError(f"nothing to roll back to: {name} has no earlier version")
            model = check(paths[0])
            self._write(name, "rollback", before)
        return model

    def in_use_or_none(self, name: str) -> Path | None:
        """Return the folder of the version in use; None where there is none."""
        try:
            return self.in_use(name)
        except (ConfigurationError, InvalidWeights):
            return None

    def _shipped(self, name: str) -> list[Path]:
        return [weights.MODELS / name] if name in weights.names() else []

    def _write(self, name: str, did: str, digits: str) -> None:
        change = Change(datetime.now(UTC).isoformat(timespec="seconds"), did, digits)
        rows = [asdict(row) for row in (*self.history(name), change)]
        write_whole(self.folder / name / HISTORY, (json.dumps(rows, indent=1) + "\n").encode())

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Let one process at a time change a model."""
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        with (place / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def check(path: Path) -> Model:
    """Read a model to its last byte and return what it is.

    Raises:
        ConfigurationError: there is no description.
        InvalidWeights: a file is missing, was changed or does not fit, or card or licence lack.
    """
    model = weights.describe(path.name, path.parent)
    for member in model.members:
        member.load(len(model.bands), model.outputs)
    if not model.members:
        raise InvalidWeights(f"{path} has no weights")
    if not (path / CARD).is_file():
        raise InvalidWeights(f"{path} has no {CARD}; say what it was trained on")
    if not model.licence:
        raise InvalidWeights(f"{path / DESCRIPTION} names no licence")
    return model


def _before(history: Sequence[Change]) -> str | None:
    """Return which version was in use before the present one; None where there was no change."""
    stack = [""]
    for change in history:
        if change.did == "promote":
            stack.append(change.version)
        elif len(stack) > 1:
            stack.pop()
    return stack[-2] if len(stack) > 1 else None


def _copy(model: Model, source: Path, target: Path) -> None:
    target.mkdir()
    wanted = [source / DESCRIPTION, source / CARD, *(member.file for member in model.members)]
    for path in wanted:
        if path.parent != source or not path.is_file():
            raise InvalidWeights(f"{path} is missing; a model is {DESCRIPTION}, {CARD} and weights")
        write_whole(target / path.name, path.read_bytes())


def _digits(model: Model) -> str:
    return model.version.rpartition("/")[2]
