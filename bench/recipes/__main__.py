"""Write ``bench/recipes.md``: ``python -m bench.recipes [RECIPE ...]``."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.recipes.judging import compare, tiny
from bench.recipes.page import learned, page
from bench.recipes.places import make
from detectors.training import raster_recipes

SEEDS = (0, 1, 2)
PAGE = Path(__file__).parents[1] / "recipes.md"


def main(wanted: list[str]) -> None:
    rows = {}
    for name in wanted or raster_recipes.names():
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                examples = make(name, Path(folder), seed)
                found = compare(tiny(name, seed), examples, Path(folder) / name)
            rows.setdefault(name, []).append(asdict(found))
            print(name, seed, json.dumps(asdict(found)), flush=True)
    path = Path(__file__).parents[1] / "results" / "recipes.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | rows, indent=1) + "\n")
    order = [name for name in raster_recipes.names() if name in known | rows]
    learnt = path.with_name("recipes-simulated.json")
    more = learned(json.loads(learnt.read_text())) if learnt.is_file() else ""
    PAGE.write_text(page({name: (known | rows)[name] for name in order}, more), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
