"""The table of a training folder: one row a member, as CSV and as a picture."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.files import write_whole

RESULTS = "results.csv"
PICTURE = "results.png"


@dataclass(frozen=True, slots=True)
class Result:
    """How the training of one member ended."""

    member: str
    """Name."""
    architecture: str
    """Of the network."""
    encoder: str
    """Of the network."""
    parameters: int
    """Trained numbers."""
    loss: str
    """Name."""
    learning_rate: float
    """Highest one of the last cycle."""
    epochs: int
    """That were run."""
    best_epoch: int
    """Whose weights were kept."""
    validation_f1: float
    """Of these weights, patches as they are, at their best threshold."""


def read(folder: Path) -> dict[str, Result]:
    """Return the rows of a folder by member; none where nothing was trained."""
    path = folder / RESULTS
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["member"]: _result(row) for row in csv.DictReader(file)}


def _result(row: dict[str, str]) -> Result:
    kinds = {"int": int, "float": float, "str": str}
    return Result(**{f.name: kinds[str(f.type)](row[f.name]) for f in dataclasses.fields(Result)})


def add(folder: Path, result: Result) -> None:
    """Write table and picture with one more row, in place of an earlier one of that member."""
    rows = read(folder) | {result.member: result}
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in dataclasses.fields(Result)])
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in rows.values())
    write_whole(folder / RESULTS, text.getvalue().encode())
    write_whole(folder / PICTURE, draw(list(rows.values())))


def draw(results: Sequence[Result]) -> bytes:
    """Return a PNG: best F1 on validation by architecture (rows), loss and rate (columns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = list(dict.fromkeys(r.architecture for r in results))
    columns = sorted({(r.loss, r.learning_rate) for r in results})
    f1 = np.full((len(rows), len(columns)), np.nan)
    for r in results:
        place = rows.index(r.architecture), columns.index((r.loss, r.learning_rate))
        f1[place] = np.fmax(f1[place], r.validation_f1)
    size = (3.2 + 0.85 * len(columns), 1.5 + 0.38 * len(rows))
    figure = Figure(figsize=size, dpi=130, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown = axes.imshow(f1, cmap="YlGnBu", aspect="auto")
    middle = float(np.nanmin(f1) + np.nanmax(f1)) / 2
    for (y, x), value in np.ndenumerate(f1):
        if np.isfinite(value):
            colour = "white" if value > middle else "black"
            axes.text(x, y, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(columns)), [f"{loss}\n{rate:g}" for loss, rate in columns])
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(labelsize=8, length=0)
    axes.set_title("F1 on validation, by loss and learning rate", loc="left", fontsize=10)
    figure.colorbar(shown, ax=axes).ax.tick_params(labelsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
