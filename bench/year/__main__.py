"""A simulated year: ledger and scheduling for 200 regions, the full chain for 10.

    python -m bench.year [--regions 200] [--chain 10] [--days 365]

SIMULATED looks in a real STAC server (stac-fastapi on pgstac), real PostGIS, real files and a real
receiver, all on loopback; the product's own clock is moved by half days. Each part runs in a
process of its own, so that its memory is its own. Ends with 1 where the books say otherwise than
the simulation. Prints, and writes ``bench/results/year.json``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import structlog
from rich.console import Console
from rich.table import Table

from bench.serving import throwaway_postgis
from db import schema
from db.engine import make_engine

RESULT = Path(__file__).parents[1] / "results" / "year.json"


def main() -> int:
    """Live through both years, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument("--regions", type=int, default=200, help="with ledger and scheduling")
    parser.add_argument("--chain", type=int, default=10, help="with the full chain")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--minutes", type=float, default=240, help="each part; then whole months")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        _part(json.loads(given.part))
        return 0
    found: dict[str, Any] = {"measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
                             "cores": os.cpu_count()}  # fmt: skip
    for name, number in (("books", given.regions), ("chain", given.chain)):
        if number:
            found[name] = _run(name, number, given.days, given.minutes)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    wrong = [line for name in ("books", "chain") for line in found.get(name, {}).get("wrong", [])]
    _print(found, wrong)
    return 1 if wrong else 0


def _run(name: str, number: int, days: int, minutes: float) -> dict[str, Any]:
    """Run one part over a throwaway PostGIS, in a process of its own."""
    with throwaway_postgis() as (folder, cluster):
        for database in ("catalogue", "watch"):
            cluster.create_database(database)
        engine = make_engine(cluster.url("watch"))
        schema.upgrade(engine)
        engine.dispose()
        order = {
            "part": name, "number": number, "days": days, "minutes": minutes,
            "folder": str(folder),
            "url": cluster.url("watch"), "catalogue": cluster.url("catalogue"),
        }  # fmt: skip
        words = [sys.executable, "-m", "bench.year", "--part", json.dumps(order)]
        subprocess.run(words, check=True)
        found: dict[str, Any] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        return found


def _part(order: dict[str, Any]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # Torch is for the chain alone.
    if order["part"] == "books":
        from bench.year.books import year_of_books as live
    else:
        from bench.year.chain import year_of_chain as live
    folder = Path(order["folder"])
    found = live(
        folder, order["url"], order["catalogue"], order["number"], order["days"], order["minutes"]
    )
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


def _print(found: dict[str, Any], wrong: list[str]) -> None:
    console = Console()
    for name in ("books", "chain"):
        part = found.get(name)
        if part is None:
            continue
        table = Table(title=f"SIMULATED {name}: {part['regions']} regions, {part['days']} days, "
                      f"{part['s']} s")  # fmt: skip
        shown = [key for key in part["months"][-1] if key not in ("seconds", "looks")]
        for key in shown:
            table.add_column(key, justify="right")
        for month in part["months"]:
            table.add_row(*(str(month[key]) for key in shown))
        console.print(table)
        rest = {key: value for key, value in part.items() if key not in ("months", "wrong")}
        console.print_json(json.dumps(rest))
    console.print(f"{len(wrong)} wrong", style="red" if wrong else "green")
    for line in wrong[:50]:
        console.print(line, markup=False)


if __name__ == "__main__":
    sys.exit(main())
