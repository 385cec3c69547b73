"""What the transformer of ``distmetrics`` expects of the next look, without what nobody reads.

The same network, the same weights and the same windows as ``distmetrics.estimate_normal_params``
(Hardiman-Mostow et al. 2025, arXiv:2501.09129), evaluated by its own loop. It answers for every
look it is given and only the answer for the newest is used, and neighbouring windows share their
patches, so that most of its work can be left out without changing a value:

- a patch is embedded, and projected for the first attention, once and not once per window (both are
  linear; what depends on the place in the window is added afterwards);
- of the last layer and the two heads only the newest look's tokens are evaluated;
- windows without any pixel that is wanted are not run.

Proved equal to it in ``tests/unit/test_detectors_prediction.py``; timed against its fastest setting
by ``python -m bench.disturbance``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.errors import ConfigurationError
from detectors.types import BoolArray, FloatArray

if TYPE_CHECKING:
    import torch

#: Windows embedded at once, in whole rows of windows; memory, not result.
STRIP_WINDOWS = 1024


@dataclass(frozen=True, slots=True)
class _Windows:
    """Where the windows of one strip lie on its lattice of patches."""

    patches: torch.Tensor
    """int64 (window, token), patch of each token on the lattices of all looks; look by look."""
    run: torch.Tensor
    """int64 (run,), windows that are run, in row-major order of all."""
    shape: tuple[int, int]
    """Windows down and across."""


def predict(
    model: Any, pre: FloatArray, stride: int, *, wanted: BoolArray | None = None, batch: int = 32
) -> tuple[FloatArray, FloatArray]:
    """Predict the next look from earlier ones.

    Args:
        model: of ``distmetrics.load_transformer_model``, in evaluation mode.
        pre: (look, polarisation, y, x), logit of gamma0, oldest first, without NaN.
        stride: step of the window, pixels; a divisor of the model's patch.
        wanted: (y, x), pixels whose prediction is needed; None for all.
        batch: windows run at once; memory, not result.

    Returns:
        Mean and standard deviation, float32 (polarisation, y, x), logit of gamma0: over all windows
        that hold a pixel, the mean of their means and of the logarithms of their variances. NaN
        where not wanted, and at a far edge that no window reaches.

    Raises:
        ConfigurationError: the stride does not divide the patch, or there are more looks than the
            model takes, or the image is smaller than its window.
    """
    import torch

    height, width = pre.shape[-2:]
    if stride < 1 or model.patch_size % stride:
        raise ConfigurationError(f"stride {stride} does not divide a patch of {model.patch_size}")
    if len(pre) > model.max_seq_len or min(height, width) < model.input_size:
        raise ConfigurationError(
            f"{len(pre)} looks of {height} x {width} pixels do not fit a model of "
            f"{model.max_seq_len} looks and {model.input_size} pixels"
        )
    if wanted is None:
        wanted = np.ones((height, width), dtype=bool)
    device = next(model.parameters()).device
    with torch.inference_mode():
        sums = torch.zeros(2 * pre.shape[1] + 1, height, width, device=device)
        for rows in _strips(height, width, model.input_size, stride):
            if wanted[rows].any():
                looks = torch.from_numpy(np.ascontiguousarray(pre[..., rows, :])).to(device)
                sums[:, rows] += _strip(model, looks, wanted[rows], stride, batch)
        means, log_variances = (sums[:-1] / sums[-1]).cpu().numpy().reshape(2, *pre.shape[1:])
    mean = np.where(wanted, means, np.float32(np.nan))
    return mean, np.where(wanted, np.sqrt(np.exp(log_variances)), np.float32(np.nan))


def _strips(height: int, width: int, window: int, stride: int) -> Iterator[slice]:
    """Cut an image into strips of whole rows of windows; neighbours share no window."""
    down, across = (height - window) // stride + 1, (width - window) // stride + 1
    step = max(1, STRIP_WINDOWS // across)
    for first in range(0, down, step):
        last = min(first + step, down) - 1
        yield slice(first * stride, last * stride + window)


def _strip(
    model: Any, looks: torch.Tensor, wanted: BoolArray, stride: int, batch: int
) -> torch.Tensor:
    """Return sums of means and log-variances over the windows of one strip, and their number.

    Returns:
        (2 * polarisation + 1, y, x).
    """
    import torch
    from torch.nn import functional

    count, bands, height, width = looks.shape
    side = model.input_size // model.patch_size
    kernel = model.embedding.weight.view(-1, bands, model.patch_size, model.patch_size)
    lattice = functional.conv2d(looks, kernel, stride=stride).permute(0, 2, 3, 1)
    windows = _windows(model, wanted, lattice.shape[:3], stride, looks.device)
    embedded = lattice.reshape(-1, model.d_model)
    projected = functional.linear(
        embedded, model.transformer_encoder.layers[0].self_attn.in_proj_weight
    )
    # (window, place, head, value of the patch): zero where a window is not run.
    answers = torch.zeros(math.prod(windows.shape), side**2, 2, model.data_dim, device=looks.device)
    for first in range(0, len(windows.run), batch):
        some = windows.run[first : first + batch]
        chosen = windows.patches[some]
        answers[some] = _run(model, embedded[chosen], projected[chosen], count)
    ran = torch.zeros(math.prod(windows.shape), device=looks.device)
    ran[windows.run] = 1.0
    # (window, row, column, head, band, y, x) of patches to (head, band, row, y, column, x, window).
    values = answers.view(-1, side, side, 2, bands, model.patch_size, model.patch_size)
    columns = values.permute(3, 4, 1, 5, 2, 6, 0).reshape(-1, math.prod(windows.shape))
    counts = ran.expand(model.input_size**2, -1)
    folded: torch.Tensor = functional.fold(
        torch.cat([columns, counts]), (height, width), model.input_size, stride=stride
    )
    return folded


def _windows(
    model: Any, wanted: BoolArray, lattice: tuple[int, ...], stride: int, device: Any
) -> _Windows:
    """Find the patches of each window of a strip, and the windows that hold a wanted pixel."""
    import torch

    side, step = model.input_size // model.patch_size, model.patch_size // stride
    count, rows, columns = lattice
    down, across = rows - (side - 1) * step, columns - (side - 1) * step
    place = np.arange(side) * step
    corners = np.arange(down)[:, None] * columns + np.arange(across)
    places = (place[:, None] * columns + place).ravel()
    tokens = (np.arange(count)[:, None] * (rows * columns) + places).ravel()
    # A summed-area table: how many wanted pixels each window holds.
    table = np.pad(wanted, ((1, 0), (1, 0))).cumsum(0, dtype=np.int64).cumsum(1)
    tops, lefts = np.arange(down)[:, None] * stride, np.arange(across) * stride
    bottoms, rights = tops + model.input_size, lefts + model.input_size
    held = table[bottoms, rights] - table[tops, rights] - table[bottoms, lefts] + table[tops, lefts]
    return _Windows(
        torch.from_numpy(corners.reshape(-1, 1) + tokens).to(device),
        torch.from_numpy(np.flatnonzero(held)).to(device),
        (down, across),
    )


def _run(model: Any, embedded: torch.Tensor, projected: torch.Tensor, count: int) -> torch.Tensor:
    """Run the encoder and both heads on some windows.

    Args:
        model: the transformer.
        embedded: (window, token, feature), patches without bias; overwritten.
        projected: (window, token, 3 features), the first layer's query, key, value of them;
            overwritten.
        count: number of looks.

    Returns:
        (window, place, 2, value): mean and log-variance of the newest look's patches.
    """
    import torch

    places = embedded.shape[1] // count
    first, *later = model.transformer_encoder.layers
    position = model.spatial_pos_embed + model.temporal_pos_embed[:, model.max_seq_len - count :]
    position = (position + model.embedding.bias).reshape(1, *embedded.shape[1:])
    attention = first.self_attn
    shift = torch.nn.functional.linear(position, attention.in_proj_weight, attention.in_proj_bias)
    tokens, triple = embedded.add_(position), projected.add_(shift)
    for layer in (first, *later):
        if layer is not first:
            attention = layer.self_attn
            triple = torch.nn.functional.linear(
                tokens, attention.in_proj_weight, attention.in_proj_bias
            )
        if layer is model.transformer_encoder.layers[-1]:
            tokens = tokens[:, -places:]
        attended = _attend(triple, tokens.shape[1], attention.num_heads)
        tokens = layer.norm1(attention.out_proj(attended).add_(tokens))
        tokens = layer.norm2(layer.linear2(layer.linear1(tokens).relu_()).add_(tokens))
    return torch.stack([model.mean_out(tokens), model.logvar_out(tokens)], dim=2)


def _attend(triple: torch.Tensor, asking: int, heads: int) -> torch.Tensor:
    """Attend over all tokens; only the last ``asking`` tokens ask.

    Written out, because torch's own softmax and fused attention take twice the time for rows and
    heads as short as these. Logits reach hundreds on real looks: the largest is taken off first.

    Args:
        triple: (window, token, 3 features), query, key, value.
        asking: number of tokens that ask.
        heads: number of heads.

    Returns:
        (window, asking, feature).
    """
    import torch

    number, length, features = triple.shape
    wide = features // 3 // heads
    query, key, value = (
        triple.view(number, length, 3, heads, wide)
        .permute(2, 0, 3, 1, 4)
        .reshape(3, number * heads, length, wide)
    )
    logits = torch.bmm(query[:, -asking:] * wide**-0.5, key.transpose(1, 2))
    weights = logits.sub_(logits.amax(dim=-1, keepdim=True)).exp_()
    answer = torch.bmm(weights, value).div_(weights.sum(dim=-1, keepdim=True))
    return answer.view(number, heads, asking, wide).transpose(1, 2).reshape(number, asking, -1)
