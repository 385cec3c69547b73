"""Every failure Scarpwatch names.

::

    ScarpwatchError
    ├── TransientError            worth another try later
    │   ├── CatalogueUnavailable    catalogue timed out, answered 429, 5xx or not JSON
    │   ├── ImageryUnavailable      an asset could not be fetched just now
    │   │   └── QuotaSpent            (of both) the account's month is spent; says when it renews
    │   ├── DatabaseUnavailable     PostGIS does not answer
    │   ├── LeaseLost               another worker has taken this piece of work over
    │   └── DeliveryFailed          one target did not take one message
    ├── PermanentError            the same input will fail again
    │   ├── UnusableItem            a catalogue item no detector can use, with the reason
    │   ├── UnreadableRaster        truncated, not a raster, no georeference, wrong CRS
    │   ├── InvalidElevation        elevation without place, unit or believable heights, or datum
    │   ├── NothingObserved         every pixel of the look is no-data inside the region
    │   ├── IncomparableLooks       different grid, polarisation or track: never mixed
    │   ├── NotEnoughLooks          the pre stack is too short to judge a look
    │   ├── InvalidRegion           a region file that cannot be watched
    │   ├── InvalidMap              a vector file that holds nothing of what was asked for
    │   │   └── HostileFile           (also an UnreadableRaster) made to do harm, or beyond bounds
    │   ├── InvalidArchive          a folder that is no archive or holds nothing usable
    │   ├── InvalidPatches          labelled pictures that cannot be scored or learnt from
    │   ├── InvalidSeries           a series of looks, or its labels, that cannot be read
    │   ├── InvalidMatrix           a confusion matrix that cannot be read
    │   ├── MissingBand             no raster holds a band that a recipe needs
    │   ├── InvalidSamples          bands, labels, points or segments that cannot be learnt from
    │   ├── InvalidWeights          a trained network that is missing, changed or of another shape
    │   └── BackendFailed           a runtime that cannot run a network, or says something else
    └── ConfigurationError        a setting, channel, detector or catalogue name is wrong

"Too cloudy", "no landslide" and "not enough looks yet" are outcomes that are stored with a reason;
only the code that meets them raises, the steps in ``flows`` turn them into stored reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ScarpwatchError(Exception):
    """Root of every error this system raises on purpose."""


class TransientError(ScarpwatchError):
    """The same call may succeed later; callers retry with a bound."""


class PermanentError(ScarpwatchError):
    """The same input will fail again; callers store the reason and go on."""


class ConfigurationError(ScarpwatchError):
    """A setting or name is wrong; the message says what to change."""


class CatalogueUnavailable(TransientError):
    """A catalogue timed out, refused (429, 5xx) or answered something that is not STAC."""


class ImageryUnavailable(TransientError):
    """An asset could not be fetched just now."""


class QuotaSpent(CatalogueUnavailable, ImageryUnavailable):
    """The account has spent its month; asking again before ``renews_at`` is pointless."""

    def __init__(self, message: str, renews_at: datetime) -> None:
        super().__init__(message)
        self.renews_at = renews_at

    def __reduce__(self) -> tuple[type[QuotaSpent], tuple[str, datetime]]:
        """Survive the way between processes, which knows the message only."""
        return type(self), (str(self), self.renews_at)


class DatabaseUnavailable(TransientError):
    """PostGIS does not answer."""


class LeaseLost(TransientError):
    """Another worker has taken this piece of work over; store nothing of it and go on."""


class DeliveryFailed(TransientError):
    """One target did not take one message.

    ``retry_after_s``: seconds the target asked to be left alone, None where it did not.
    """

    def __init__(self, message: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnusableItem(PermanentError):
    """A catalogue item that no detector can use; the message is the stored reason."""


class UnreadableRaster(PermanentError):
    """A truncated file, something that is not a raster, a missing or wrong CRS."""


class InvalidElevation(PermanentError):
    """An elevation model without place, unit or believable heights, or of an unknown datum."""


class NothingObserved(PermanentError):
    """Every pixel of a look is no-data inside the region."""

    def __init__(self, message: str, unseen: NDArray[np.uint8] | None = None) -> None:
        super().__init__(message)
        self.unseen = unseen
        """uint8 (y, x), codes of ``detectors.types.Unseen``; None where there is no data at all."""

    def __reduce__(self) -> tuple[type[NothingObserved], tuple[str]]:
        """Survive the way between processes with the message only."""
        return type(self), (str(self),)


class IncomparableLooks(PermanentError):
    """Looks of different grids, polarisations or tracks were about to be mixed."""


class NotEnoughLooks(PermanentError):
    """The pre stack is shorter than the detector needs."""


class InvalidRegion(PermanentError):
    """A region that cannot be watched; the message says what to mend.

    ``faults`` has the same by field (``geometry``, ``id`` ...), where it is one of them.
    """

    def __init__(self, message: str, faults: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.faults = dict(faults or {})


class InvalidMap(PermanentError):
    """A vector file that cannot be read, or holds nothing of what was asked for."""


class HostileFile(UnreadableRaster, InvalidMap):
    """A file that points elsewhere, unpacks or nests without end, or claims more than can be read.

    It is refused before anything reads it; the message names the file and the bound.
    """


class InvalidArchive(PermanentError):
    """A folder that is no archive, or holds no usable product."""


class InvalidPatches(PermanentError):
    """Labelled pictures that cannot be scored or learnt from; the message names the file."""


class InvalidSeries(PermanentError):
    """A series of looks, or the labels of its site, that cannot be read; names the file."""


class InvalidMatrix(PermanentError):
    """A confusion matrix that is not square, names classes twice, or holds what is no count."""


class MissingBand(PermanentError):
    """A recipe needs a band that no raster holds; the message says where it comes from."""


class InvalidSamples(PermanentError):
    """Bands, labels, points or segments that cannot be learnt from or scored; names the file."""


class InvalidWeights(PermanentError):
    """A trained network that is missing, was changed, or does not fit its architecture."""


class BackendFailed(PermanentError):
    """A runtime cannot run a network, or says something else; the network itself goes on."""
