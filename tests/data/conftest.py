"""The folder of data sets, and figures that are kept in bench/data.md.

Run by ``make check-data DATA=folder``, which sets ``SCARPWATCH_DATA`` and ``SCARPWATCH_FIGURES``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

Record = Callable[[str, str, Sequence[str], Sequence[Sequence[object]], str], None]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    given = os.environ.get("SCARPWATCH_DATA")
    if not given:
        pytest.skip("needs data sets that are not shipped: make check-data DATA=folder")
    return Path(given)


@pytest.fixture(scope="session")
def record() -> Iterator[Record]:
    """Keep a section: title, words before the table, head, rows, words after it."""
    sections: dict[str, str] = {}

    def keep(
        title: str, before: str, head: Sequence[str], rows: Sequence[Sequence[object]], after: str
    ) -> None:
        lines = [list(head), ["---"] * len(head), *rows]
        table = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
        sections[title] = "\n\n".join(part.strip() for part in (before, table, after) if part)

    yield keep
    out = os.environ.get("SCARPWATCH_FIGURES")
    if out:
        Path(out).write_text(json.dumps(sections, indent=1), encoding="utf-8")
