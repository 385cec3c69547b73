"""Keeps the result of a data check in bench/data.md: a line per run, the newest figures.

    python infra/data_report.py FIGURES.json "RESULT" "COMMIT"

FIGURES.json holds sections by title, as tests/data/conftest.py writes them. A section replaces the
one of the same title; sections that the run did not measure stay, with their own date.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

REPORT = Path(__file__).resolve().parents[1] / "bench" / "data.md"
HEAD = """# Checks on data that is not shipped

Written by `make check-data DATA=folder`. Each section is of the newest run that measured it.

## Runs, newest first

"""
TABLE = "| date (UTC) | commit | result |\n| --- | --- | --- |\n"


def updated(text: str, run: str, sections: dict[str, str], measured: str) -> str:
    """Return the report with one more run and its sections.

    Args:
        text: the report so far; empty for a new one.
        run: a row of the table of runs.
        sections: Markdown by title, without the heading.
        measured: when and at which commit the sections were measured.
    """
    if TABLE not in text:
        text = HEAD + TABLE
    head, runs = text.split(TABLE, 1)
    rows, *old = re.split(r"^## ", runs, flags=re.MULTILINE)
    kept = dict(part.split("\n", 1) for part in old)
    kept |= {title: f"\nMeasured {measured}.\n\n{body}" for title, body in sections.items()}
    parts = [f"## {title}\n\n{body.strip()}\n" for title, body in kept.items()]
    return "\n".join([head + TABLE + run + "\n" + rows.strip() + "\n" * bool(rows.strip()), *parts])


def main(figures: str, result: str, commit: str) -> None:
    """Read what a run left behind and rewrite the report."""
    left = Path(figures)
    sections = json.loads(left.read_text(encoding="utf-8")) if left.stat().st_size else {}
    now = datetime.now(UTC)
    run = f"| {now:%Y-%m-%dT%H:%MZ} | {commit} | {result} |"
    before = REPORT.read_text(encoding="utf-8") if REPORT.exists() else ""
    after = updated(before, run, sections, f"{now:%Y-%m-%d} at commit {commit}")
    REPORT.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:4])
