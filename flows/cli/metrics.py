"""``scarpwatch metrics``: what a confusion matrix says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson
from flows.cli.output import emit, plain, screen, table

if TYPE_CHECKING:
    from typing import Any

    from detectors.training.confusion import Confusion


def metrics(
    confusion: Annotated[
        Path,
        typer.Option(
            metavar="FILE.csv",
            help="Square matrix: rows classified, columns ground truth, class ids around it.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say how good a classification is: overall, and of each class. Shares are 0 to 1.

    What cannot be measured (a class that never comes) is null, not 0.
    """
    from flows.confusion_files import read_confusion

    counted = read_confusion(confusion)
    if as_json:
        emit(confusion_document(counted))
    else:
        print_confusion(counted)


def confusion_document(counted: Confusion) -> dict[str, Any]:
    """Return the figures as one JSON document, classes by id."""
    return {
        "overall_accuracy": counted.overall_accuracy,
        "total": counted.total,
        "classes": {name: dataclasses.asdict(counted.of(name)) for name in counted.ids},
    }


def print_confusion(counted: Confusion) -> None:
    """Print one row a class, in percent but for MCC."""
    console = screen()
    console.print(f"overall accuracy {_percent(counted.overall_accuracy)} %")
    rows = table("class", "producer's", "user's", "specificity", "accuracy", "F1", "IoU", "MCC")
    for name in counted.ids:
        figures = counted.of(name)
        *shares, mcc = dataclasses.astuple(figures)
        rows.add_row(plain(name), *map(_percent, shares), "-" if mcc is None else f"{mcc:.3f}")
    console.print(rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
