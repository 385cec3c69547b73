"""Confusion matrices in CSV files: rows classified, columns ground truth, class ids around them."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np

from detectors.errors import InvalidMatrix
from detectors.training.confusion import Confusion
from flows.hostile import plain_file


def read_confusion(path: Path) -> Confusion:
    """Read a matrix; the first row and the first column are class ids, the corner is not looked at.

    What spreadsheets add (a byte order mark, CRLF, lines of commas at the end) is read over. Rows
    may stand in another order than columns: the ids say which is which.

    Raises:
        InvalidMatrix: the file is not UTF-8 text or empty, not square, its ids differ or come
            twice, or a count is missing, negative or no finite number; names the line.
    """
    try:
        text = plain_file(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InvalidMatrix(f"{path}: the file is not there") from None
    except UnicodeDecodeError:
        raise InvalidMatrix(f"{path}: not UTF-8 text; export it as CSV (UTF-8)") from None
    if "\0" in text:
        raise InvalidMatrix(f"{path}: not text; export it as CSV (UTF-8)")
    try:
        read = list(enumerate(csv.reader(io.StringIO(text, newline="")), start=1))
    except csv.Error as error:
        raise InvalidMatrix(f"{path}: not CSV ({error})") from None
    lines = [(n, [cell.strip() for cell in row]) for n, row in read if any(map(str.strip, row))]
    if not lines:
        raise InvalidMatrix(f"{path}: empty; wanted are class ids around a square of counts")
    columns = _ids(path, lines[0][1][1:])
    rows = [row[0] for _, row in lines[1:]]
    if len(rows) != len(columns):
        raise InvalidMatrix(
            f"{path}: {len(rows)} rows and {len(columns)} columns of counts; make it square, "
            "separated by commas"
        )
    if set(rows) != set(columns):
        other = min(set(rows) ^ set(columns))
        raise InvalidMatrix(
            f"{path}: class {other!r} stands in rows or columns only; name the same in both"
        )
    counts = np.array([_counts(path, number, row, len(columns)) for number, row in lines[1:]])
    return Confusion(tuple(columns), counts[[rows.index(name) for name in columns]])


def _ids(path: Path, cells: list[str]) -> list[str]:
    if not cells or "" in cells:
        raise InvalidMatrix(f"{path}: a column lacks its class id; commas part the ids")
    if twice := {name for name in cells if cells.count(name) > 1}:
        raise InvalidMatrix(f"{path}: class {min(twice)!r} comes twice; name each class once")
    return cells


def _counts(path: Path, number: int, row: list[str], many: int) -> list[float]:
    if len(row) != many + 1:
        raise InvalidMatrix(f"{path}:{number}: {len(row) - 1} counts; the first row names {many}")
    counts = []
    for cell in row[1:]:
        try:
            value = float(cell)
        except ValueError:
            raise InvalidMatrix(f"{path}:{number}: {cell!r} is no number") from None
        if not math.isfinite(value) or value < 0:
            raise InvalidMatrix(f"{path}:{number}: {cell} is no count; counts are 0 or more")
        counts.append(value)
    return counts
