"""Heights for the looks that are judged: out of the first of the operator's sources that has them.

A look is never lost for want of heights: what cannot be read is kept as a reason to be careful, and
the look is judged without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from detectors.errors import ConfigurationError, NothingObserved, ScarpwatchError
from detectors.types import FloatArray, Grid
from flows.catalogs.base import Catalogue
from flows.catalogs.registry import split_source
from flows.catalogs.stac import StacCatalogue
from flows.elevation import Elevation, fetch_elevation, read_elevation


class Heights(Protocol):
    """Where heights come from."""

    def on(self, grid: Grid) -> tuple[FloatArray | None, str | None]:
        """Return heights on a grid, and why to be careful with the look.

        Returns:
            float32 (y, x), metres, NaN = not known, None where there are none; an advisory, None
            where nothing went wrong.
        """


@dataclass(frozen=True, slots=True)
class NoHeights:
    """Nobody named an elevation model."""

    def on(self, grid: Grid) -> tuple[FloatArray | None, str | None]:  # noqa: ARG002
        """Return nothing; see ``Heights``."""
        return None, None


@dataclass(frozen=True, slots=True)
class ConfiguredHeights:
    """Heights out of files and catalogues."""

    sources: Sequence[str]
    """Files, or ``catalogue/collection``; the first that reaches a grid counts."""
    catalogue: Callable[[str], Catalogue]
    """Catalogue by name."""

    def on(self, grid: Grid) -> tuple[FloatArray | None, str | None]:
        """Return heights on a grid; see ``Heights``."""
        found, failed = self.first(grid)
        if found is not None:
            return found.metres, None
        if failed is None:
            return None, None
        # Folders of this machine and signed addresses are nobody's business.
        source, error = failed
        return None, f"{Path(source).name}: {type(error).__name__}: judged without elevation"

    def first(self, grid: Grid) -> tuple[Elevation | None, tuple[str, ScarpwatchError] | None]:
        """Return the heights of the first source that has them there.

        Returns:
            None where no source has any; the last source that failed, and how.
        """
        failed = None
        for source in self.sources:
            try:
                return self._read(source, grid), failed
            except NothingObserved:
                continue
            except ScarpwatchError as error:
                failed = source, error
        return None, failed

    def _read(self, source: str, grid: Grid) -> Elevation:
        if Path(source).is_absolute() or source.endswith((".tif", ".tiff", ".vrt")):
            return read_elevation(Path(source), grid)
        name, collection = split_source(source)
        catalogue = self.catalogue(name)
        if not isinstance(catalogue, StacCatalogue):
            raise ConfigurationError(f"catalogue {name} lists no elevation")
        return fetch_elevation(catalogue, collection, grid)
