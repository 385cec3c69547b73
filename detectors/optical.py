"""What optical looks say about a landslide: vegetation lost against its surroundings, and more.

Two witnesses must agree. Vegetation loss alone is also harvest, clear-cut and flood; the ensemble
alone, which sees one picture, also likes old scars, quarries and bare fields. Loss is judged
against undisturbed ground around, which takes season, haze and unequal look counts out.

``compare`` looks at pixels, ``measure`` turns them into numbers, ``judge`` numbers into a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage
from shapely.geometry import MultiPolygon, shape
from shapely.geometry.base import BaseGeometry

from detectors.compositing import ndvi
from detectors.ensemble import EnsembleMap
from detectors.medians import MAD_TO_SIGMA
from detectors.projections import to_projected
from detectors.types import BoolArray, Composite, Finding, FloatArray, Grid, Unseen
from detectors.vectorize import EIGHT_NEIGHBOURS, trace

#: Bands of the picture the ensemble is asked about.
_PICTURE = ("red", "green", "blue")
#: Side of the picture the ensemble is asked about at least, pixels: what it was trained on.
_WINDOW = 128
#: Ground around a patch or outline that the ensemble sees, pixels.
_MARGIN = 32


@dataclass(frozen=True, slots=True)
class OpticalRule:
    """When vegetation is lost, and when a look confirms or refutes."""

    loss: float = 0.15
    """Least NDVI that a changed pixel lost against its surroundings."""
    sigma: float = 3.0
    """The same in robust sigma of the surroundings."""
    noise_floor: float = 0.03
    """Least sigma of NDVI differences between two clear Sentinel-2 looks."""
    similar: float = 0.2
    """Surroundings are pixels whose NDVI before lies within this of the outline's median."""
    reach_m: float = 30.0
    """How far an optical patch may lie off the outline, m: one radar pixel."""
    surroundings_m: float = 500.0
    """How far around the outline surroundings are taken from, m."""
    smallest_surroundings: int = 100
    """Pixels the surroundings need; with fewer nothing is said."""
    clear_to_confirm: float = 0.5
    """Share of the outline's own pixels that must be clear to confirm."""
    bared_to_confirm: float = 0.25
    """Share of those that must have lost vegetation, and not to water, to confirm."""
    clear_to_refute: float = 0.8
    """Share of the outline's own pixels that must be clear to refute."""
    vegetated: float = 0.4
    """NDVI before, and around it after, from which a loss could be seen: the power to refute."""
    changed_to_refute: float = 0.05
    """Largest share of changed pixels that still counts as nothing."""
    minimum_pixels: int = 30
    """Smallest outline and smallest patch this sensor is asked about, pixels of 10 m."""
    field_filling: float = 0.75
    """A patch that fills its smallest rectangle by more is taken for a field. 95 % of rectangles of
    50 m and more do; of 575 mapped landslides of 1 ha and more in Landslide4Sense 2 % do."""
    field_pixels: int = 60
    """Smaller patches have no shape to speak of, pixels."""
    refute_within: timedelta = timedelta(days=60)
    """A later look may show ground that is green again."""


@dataclass(frozen=True, slots=True)
class Change:
    """NDVI change on one grid, against the surroundings."""

    relative: FloatArray
    """float32 (y, x), NDVI after minus before minus the surroundings' median, NaN = not seen."""
    lost: BoolArray
    """(y, x), True where vegetation was lost, be it within the scatter of the surroundings."""
    bared: BoolArray
    """(y, x), True where more than scatter was lost, to something else than water, and since the
    look nearest to the event too."""
    sigma: float
    """Robust scatter of the surroundings, NDVI."""
    around: float
    """Median NDVI of the surroundings after."""


@dataclass(frozen=True, slots=True)
class OpticalEvidence:
    """What optical looks show of one outline, in numbers."""

    pixels: int
    """Pixels of the outline."""
    share_clear: float
    """Share of them clear before and after, 0 to 1."""
    unseen: Mapping[str, float]
    """Share of them that no look after could see, by reason."""
    ndvi_before: float | None = None
    """Their median before; None where too few were clear, as everything below."""
    ndvi_around: float | None = None
    """Median of the surroundings after."""
    d_ndvi: float | None = None
    """Median change against the surroundings, of the patch or of the outline without one."""
    share_changed: float | None = None
    """Share of the clear pixels that lost vegetation, also to water."""
    share_bared: float | None = None
    """Share of them that lost it to something else than water."""
    ensemble_score: float | None = None
    """Mean of the ensemble over the same pixels as ``d_ndvi``, 0 to 1."""
    ensemble_spread: float | None = None
    """Mean spread of its members there."""
    field_like: bool = False
    """The largest patch is as rectangular as a field."""
    outline: MultiPolygon | None = None
    """Patches of bared ground at the outline, EPSG:4326; None where there is none."""
    area_m2: float | None = None
    """Their area, m2."""


def vegetation_change(
    pre: Composite, post: Composite, around: BoolArray, like: float, rule: OpticalRule
) -> Change | None:
    """Return the NDVI change against undisturbed surroundings, None where there are too few.

    Args:
        pre: composite before.
        post: composite after, on the same grid, of as many looks per pixel where possible.
        around: (y, x), where surroundings may be taken from.
        like: NDVI before of the ground that is judged.
        rule: thresholds.
    """
    before, after = ndvi(pre.reflectance, pre.bands), ndvi(post.reflectance, post.bands)
    difference = after - before
    alike = around & np.isfinite(difference) & (np.abs(before - like) <= rule.similar)
    if int(alike.sum()) < rule.smallest_surroundings:
        return None
    quiet = difference[alike]
    shift = float(np.median(quiet))
    sigma = max(MAD_TO_SIGMA * float(np.median(np.abs(quiet - shift))), rule.noise_floor)
    relative = (difference - shift).astype(np.float32)
    # Water reflects more green than near infrared; soil and rock do not.
    green, nir = (post.reflectance[post.bands.index(name)] for name in ("green", "nir"))
    with np.errstate(invalid="ignore"):
        # What hides in the scatter does not confirm; to call ground unchanged it must be absent.
        lost = relative <= -rule.loss
        bared = lost & (relative <= -rule.sigma * sigma) & (nir > green)
        if pre.preferred is not None:
            # The greenest look may be weeks older: what was bare already is no loss of this event.
            recent = after - pre.preferred
            bared &= ~(recent - np.nanmedian(recent[alike]) > -rule.loss)
    return Change(relative, lost, bared, sigma, around=float(np.median(after[alike])))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One outline before and after, pixel by pixel."""

    grid: Grid
    """Where the pixels are."""
    inside: BoolArray
    """(y, x), the outline's own pixels."""
    clear: BoolArray
    """(y, x), those of them that are clear before and after."""
    unseen: Mapping[str, float]
    """Share of its own pixels that no look after could see, by reason."""
    ndvi_before: float | None = None
    """Median of the clear pixels before; None where too few are clear."""
    change: Change | None = None
    """NDVI change; None where too few are clear, here or around."""
    patches: NDArray[np.int32] | None = None
    """(y, x), 1, 2, ... on the patches of bared ground that reach the outline, 0 elsewhere; None
    where nothing was compared."""

    @property
    def share_clear(self) -> float:
        """Share of the outline's pixels clear before and after, 0 to 1."""
        return float(self.clear.sum() / max(int(self.inside.sum()), 1))


def compare(
    outline: BaseGeometry,
    pre: Composite,
    post: Composite,
    unseen: NDArray[np.uint8],
    rule: OpticalRule,
) -> Comparison:
    """Compare one outline before and after, on its own pixels.

    Args:
        outline: EPSG:4326, lon/lat.
        pre: composite of looks that end at or before ``not_before``.
        post: composite of looks that start at or after ``not_after``, on the same grid.
        unseen: uint8 (y, x), why the newest of those, which is judged, could not see a pixel.
        rule: thresholds.
    """
    grid = post.grid
    here = to_projected(outline, grid.epsg)
    inside = covered(here, grid)
    if not (unseen[inside] == Unseen.SEEN).any():
        # What earlier looks showed was judged with them.
        return Comparison(grid, inside, np.zeros_like(inside), shares(unseen, inside))
    before, after = ndvi(pre.reflectance, pre.bands), ndvi(post.reflectance, post.bands)
    reasons = shares(np.where(np.isfinite(after), np.uint8(Unseen.SEEN), unseen), inside)
    seen = Comparison(grid, inside, inside & np.isfinite(before) & np.isfinite(after), reasons)
    if seen.share_clear < rule.clear_to_confirm:
        return seen
    like = float(np.median(before[seen.clear]))
    near = covered(here.buffer(2 * rule.reach_m), grid)
    around = covered(here.buffer(rule.surroundings_m), grid) & ~near
    change = vegetation_change(pre, post, around, like, rule)
    if change is None:
        return replace(seen, ndvi_before=like)
    touching = covered(here.buffer(rule.reach_m), grid)
    patches = connected_patches(change.bared, touching, rule.minimum_pixels)
    return replace(seen, ndvi_before=like, change=change, patches=patches)


def measure(
    compared: Comparison, ensemble: EnsembleMap | None, rule: OpticalRule
) -> OpticalEvidence:
    """Put a comparison, and what the ensemble says of the composite after, into numbers.

    Args:
        compared: what changed.
        ensemble: on the same grid; None where it was not worth asking (nothing clear).
        rule: thresholds.
    """
    known = OpticalEvidence(
        pixels=int(compared.inside.sum()),
        share_clear=compared.share_clear,
        unseen=compared.unseen,
        ndvi_before=compared.ndvi_before,
    )
    if compared.change is None or compared.patches is None or ensemble is None:
        return known
    patches = list(_cut_out(compared.patches))
    patch = compared.patches > 0 if patches else compared.clear
    area = float(patch.sum()) * compared.grid.pixel_area_m2
    return replace(
        known,
        ndvi_around=compared.change.around,
        d_ndvi=float(np.median(compared.change.relative[patch])),
        share_changed=float(compared.change.lost[compared.clear].mean()),
        share_bared=float(compared.change.bared[compared.clear].mean()),
        ensemble_score=mean_over(ensemble.mean, patch),
        ensemble_spread=mean_over(ensemble.spread, patch),
        field_like=bool(patches)
        and field_like(max((one for _, one in patches), key=np.count_nonzero), rule),
        outline=MultiPolygon([trace(one, compared.grid, at) for at, one in patches])
        if patches
        else None,
        area_m2=area if patches else None,
    )


def judge(
    evidence: OpticalEvidence, threshold: float, since: timedelta, rule: OpticalRule
) -> tuple[Finding, str]:
    """Return what the evidence comes to, and why in words.

    Args:
        evidence: of one outline.
        threshold: of the ensemble.
        since: from ``not_after`` to the judged look.
        rule: thresholds.
    """
    if evidence.share_clear < rule.clear_to_confirm:
        why = ", ".join(f"{name} {share:.0%}" for name, share in evidence.unseen.items())
        seen = f"{evidence.share_clear:.0%} of its pixels could be compared"
        return Finding.NOT_SEEN, f"{seen} ({why or 'nothing clear before'})"
    if evidence.d_ndvi is None or evidence.share_changed is None:
        return Finding.UNDECIDED, "too little clear ground like it around"
    told = _told(evidence)
    score = evidence.ensemble_score
    agrees = score is not None and score >= threshold
    if evidence.outline is not None and (evidence.share_bared or 0.0) >= rule.bared_to_confirm:
        if evidence.field_like:
            return Finding.UNDECIDED, f"vegetation lost, in the shape of a field: {told}"
        if agrees:
            return Finding.AGREES, f"vegetation lost, and the ensemble agrees: {told}"
        return Finding.UNDECIDED, f"vegetation lost, but the ensemble does not agree: {told}"
    if evidence.outline is not None or evidence.share_changed > rule.changed_to_refute:
        return Finding.UNDECIDED, f"vegetation lost in part, or to water: {told}"
    powerless = _powerless(evidence, since, rule)
    if powerless is None and agrees:
        powerless = "the ensemble sees a landslide"
    if powerless is not None:
        return Finding.UNDECIDED, f"no vegetation lost, but {powerless}: {told}"
    return Finding.DISAGREES, f"vegetation unchanged: {told}"


def _told(evidence: OpticalEvidence) -> str:
    score = evidence.ensemble_score
    change = round(evidence.d_ndvi or 0.0, 2) + 0.0  # no "-0.00"
    return (
        f"NDVI {evidence.ndvi_before:.2f} before, {change:+.2f} against its surroundings, "
        f"{evidence.share_changed:.0%} of it changed, "
        f"ensemble {'not available' if score is None else f'{score:.2f}'}, "
        f"{evidence.share_clear:.0%} clear"
    )


def _powerless(evidence: OpticalEvidence, since: timedelta, rule: OpticalRule) -> str | None:
    """Return why a look without change does not refute, None where it does."""
    if evidence.share_clear < rule.clear_to_refute:
        return f"only {evidence.share_clear:.0%} of it was clear"
    if evidence.ndvi_before is None or evidence.ndvi_before < rule.vegetated:
        return "there was little vegetation to lose"
    if evidence.ndvi_around is None or evidence.ndvi_around < rule.vegetated:
        return "its surroundings show little vegetation now (snow, frost, haze or season)"
    if evidence.pixels < rule.minimum_pixels:
        return "it is too small for this sensor"
    if since > rule.refute_within:
        return f"the look came {since.days} days later"
    return None


def picture_of(look: Composite) -> FloatArray:
    """Return what the ensemble is asked about, float32 (red, green, blue; y, x)."""
    picture: FloatArray = look.reflectance[[look.bands.index(name) for name in _PICTURE]]
    return picture


def field_like(patch: BoolArray, rule: OpticalRule) -> bool:
    """Tell whether a patch (y, x) is as rectangular as a field: ploughed, harvested, mown."""
    pixels = int(patch.sum())
    if pixels < rule.field_pixels:
        return False
    traced = features.shapes(patch.astype(np.uint8), mask=patch, connectivity=8)
    rectangle = shape(next(traced)[0]).minimum_rotated_rectangle
    return bool(pixels > rule.field_filling * rectangle.area)


def widened(window: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return a window of pixels with the ground around it that the ensemble wants to see."""

    def side(cut: slice, size: int) -> slice:
        length = max(cut.stop - cut.start + 2 * _MARGIN, _WINDOW)
        start = max(0, min((cut.start + cut.stop - length) // 2, size - length))
        return slice(start, min(size, start + length))

    return tuple(side(cut, size) for cut, size in zip(window, shape, strict=True))


def connected_patches(changed: BoolArray, touching: BoolArray, minimum: int) -> NDArray[np.int32]:
    """Return the connected patches of changed pixels that reach into ``touching``.

    Args:
        changed: (y, x).
        touching: (y, x), where a patch must have a pixel.
        minimum: smallest patch, pixels.

    Returns:
        int32 (y, x), 1, 2, ... on the patches, 0 elsewhere.
    """
    labels, count = ndimage.label(changed, structure=EIGHT_NEIGHBOURS)
    wanted = np.zeros(count + 1, dtype=bool)
    wanted[labels[touching & changed]] = True
    wanted &= np.bincount(labels.ravel(), minlength=count + 1) >= minimum
    numbers = np.where(wanted, wanted.cumsum(), 0).astype(np.int32)
    patches: NDArray[np.int32] = numbers[labels]
    return patches


def _cut_out(patches: NDArray[np.int32]) -> Iterator[tuple[tuple[slice, slice], BoolArray]]:
    """Yield the window of each patch, and the patch inside it (y, x)."""
    for number, window in enumerate(ndimage.find_objects(patches), start=1):
        yield window, patches[window] == number


def shares(unseen: NDArray[np.uint8], inside: BoolArray) -> dict[str, float]:
    """Return the share of pixels inside that could not be seen, by reason, largest first."""
    counts = np.bincount(unseen[inside], minlength=len(Unseen))
    total = max(int(counts.sum()), 1)
    found = {
        code.name.lower().replace("_", " "): float(counts[code]) / total
        for code in Unseen
        if code is not Unseen.SEEN and counts[code]
    }
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def covered(geometry: BaseGeometry, grid: Grid) -> BoolArray:
    """Return the pixels (y, x) whose centre a projected geometry covers, else those it touches."""
    for touched in (False, True):
        mask: BoolArray = features.geometry_mask(
            [geometry], grid.shape, grid.transform, all_touched=touched, invert=True
        )
        if mask.any():
            break
    return mask


def mean_over(layer: FloatArray, where: BoolArray) -> float | None:
    """Return the mean over the finite pixels, None where there is none."""
    values = layer[where]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else None
