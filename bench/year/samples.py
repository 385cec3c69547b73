"""What a year of work leaves behind, month by month, and whether it grows."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, text

from db.engine import transaction


def resident_mib(pid: int | str = "self") -> float:
    """Return the memory that a process holds now, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


def sample(engine: Engine, month: int) -> dict[str, Any]:
    """Return memory, open files and the size of the database."""
    gc.collect()
    with transaction(engine) as s:
        size = s.scalar(text("SELECT pg_database_size(current_database())"))
    return {
        "month": month, "mib": resident_mib(),
        "open_files": len([*Path("/proc/self/fd").iterdir()]),
        "database_mib": round(int(size or 0) / 2**20, 1), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def slope(samples: Sequence[dict[str, Any]], what: str, since: int = 2) -> float | None:
    """Return by how much a figure grows in a month, fitted; the first months are warming up."""
    pairs = [(one["month"], one[what]) for one in samples if one["month"] >= since]
    if len(pairs) < 3:
        return None
    return round(float(np.polyfit(*zip(*pairs, strict=True), 1)[0]), 2)
