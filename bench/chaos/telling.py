"""How a run of chaos ends: with its result on the screen, for machines, or kept."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console


def tell(
    module: str,
    wanted: argparse.Namespace,
    kept: Path,
    found: Mapping[str, Any],
    show: Callable[[Console], None],
) -> None:
    """Write and print what came of a run, with date, machine and command.

    Args:
        module: that ran.
        wanted: with ``write`` and ``json``.
        kept: file of the figures.
        found: the figures.
        show: prints them for people.
    """
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "command": f"python -m {module} {' '.join(sys.argv[1:])}",
        **found,
    }
    if wanted.write:
        kept.write_text(json.dumps(result, indent=2) + "\n")
    if wanted.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        show(Console())
