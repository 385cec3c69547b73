"""The systemd units: systemd itself finds nothing wrong, and they start commands that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from flows.cli import app

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "infra" / "systemd").glob("*.service"))
#: Worst exposure that ``systemd-analyze security`` may find, of 10.
MOST_EXPOSED = 2.0


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("no systemd-analyze: install systemd to verify the units")
    return found


def commands(unit: Path) -> list[list[str]]:
    """What a unit runs, without the program."""
    lines = re.findall(r"^Exec\w+=(\S+) (.+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    assert {program for program, _ in lines} == {"/opt/scarpwatch/.venv/bin/scarpwatch"}
    return [words.split() for _, words in lines]


def test_there_is_one_for_each_service() -> None:
    started = {" ".join(words[:2]) for unit in UNITS for words in commands(unit)}
    assert {"serve", "web", "ogc serve", "feed serve", "health serve", "db start"} <= started


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_sound_and_starts_what_there_is(unit: Path, analyze: str, tmp_path: Path) -> None:
    for words in commands(unit):
        command = typer.main.get_command(app)
        for word in words:
            command = getattr(command, "commands", {}).get(word, command)
        assert command.name == [one for one in words if not one.startswith("/")][-1]
    # systemd looks whether the program is there; everything else is as it is installed.
    for one in UNITS:
        text = one.read_text(encoding="utf-8")
        program = str(ROOT / ".venv" / "bin" / "scarpwatch")
        if not Path(program).exists():
            program = "/bin/true"
        text = text.replace("/opt/scarpwatch/.venv/bin/scarpwatch", program)
        (tmp_path / one.name).write_text(text, encoding="utf-8")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / unit.name)], capture_output=True, text=True
    )
    about = [line for line in verified.stderr.splitlines() if unit.name in line]
    assert (verified.returncode, about) == (0, []), verified.stderr
    threshold = str(round(10 * MOST_EXPOSED))
    secure = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", f"--threshold={threshold}", unit],
        capture_output=True, text=True,
    )  # fmt: skip
    assert secure.returncode == 0, secure.stdout[-400:]
