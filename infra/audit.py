"""Known faults of the locked packages, out of advisories that are on this machine. No network.

    python infra/audit.py ADVISORIES...

``ADVISORIES`` are files, folders or zip archives of advisories in the OSV format, such as a clone
of PyPA's advisory database (read as JSON; its YAML too), or OSV's export for PyPI. Without any,
nothing is audited, and that is what is said.

Exits with 1 where a locked version has a known fault, with 2 where the advisories cannot be read.

What it does not do: it knows nothing that is younger than the advisories, nothing of libraries
inside wheels (GDAL, PROJ, GEOS, OpenSSL, CUDA), nothing of PostgreSQL and PostGIS, which the
distribution keeps, and nothing of a package that means harm without anybody knowing. That files
are what was locked is checked by their sha256 when they are installed.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from check_repository import ROOT, pins
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

#: Older advisories are worth a remark, days.
STALE = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """A locked version that an advisory speaks of."""

    package: str
    version: Version
    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: str


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the advisories of a file, a folder, or a zip archive of JSON files."""
    if path.is_dir():
        for one in sorted([*path.rglob("*.json"), *path.rglob("*.y*ml")]):
            yield from documents(one)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield from _advisories(json.loads(archive.read(name)))
    elif path.suffix in {".yaml", ".yml"}:
        import yaml

        yield from _advisories(yaml.safe_load(path.read_text(encoding="utf-8")))
    else:
        yield from _advisories(json.loads(path.read_text(encoding="utf-8")))


def _advisories(found: Any) -> Iterator[dict[str, Any]]:
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, dict) and "affected" in one and not one.get("withdrawn"):
            yield one


def faults(locked: dict[str, Version], advisories: Iterable[dict[str, Any]]) -> list[Fault]:
    """Return every advisory that speaks of a locked version, by package."""
    found = []
    for advisory in advisories:
        for affected in advisory["affected"]:
            package = affected.get("package", {})
            if package.get("ecosystem") != "PyPI":
                continue
            name = canonicalize_name(package["name"])
            if name in locked and _hit(locked[name], affected):
                text = advisory.get("summary") or advisory.get("details") or ""
                found.append(
                    Fault(
                        name,
                        locked[name],
                        advisory["id"],
                        tuple(advisory.get("aliases", ())),
                        text.strip().partition("\n")[0][:200],
                        _fixed(affected),
                    )
                )
    return sorted(found, key=lambda one: (one.package, one.id))


def _hit(version: Version, affected: dict[str, Any]) -> bool:
    """Tell whether a version is listed, or lies between where a fault came and where it went."""
    if any(_version(one) == version for one in affected.get("versions", ())):
        return True
    return any(
        _within(version, one.get("events", ()))
        for one in affected.get("ranges", ())
        if one.get("type") == "ECOSYSTEM"
    )


def _within(version: Version, events: Iterable[dict[str, str]]) -> bool:
    inside = False
    ordered = sorted(events, key=lambda one: _version(next(iter(one.values()))) or Version("0"))
    for event in ordered:
        (kind, text), *_ = event.items()
        at = Version("0") if text == "0" else _version(text)
        if at is None:
            return True  # cannot be told: better one word too many
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _fixed(affected: dict[str, Any]) -> str:
    events = [e for one in affected.get("ranges", ()) for e in one.get("events", ())]
    return ", ".join(sorted({one["fixed"] for one in events if "fixed" in one}))


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(arguments: list[str]) -> int:
    """Audit the lock; return the exit status."""
    if not arguments:
        _say("audit: NOT DONE, no advisories on this machine; make audit ADVISORIES=FOLDER")
        return 0
    locked = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    known: list[dict[str, Any]] = []
    for name in arguments:
        try:
            known += documents(Path(name))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            _say(f"audit: NOT DONE, {name} cannot be read: {error}")
            return 2
    if not known:
        _say(f"audit: NOT DONE, no advisory in {', '.join(arguments)}")
        return 2
    newest = max(str(one.get("modified", "")) for one in known)
    age = _age(newest)
    found = faults(locked, known)
    for one in found:
        names = ", ".join((one.id, *one.aliases))
        mended = f"; mended in {one.fixed}" if one.fixed else "; no version mends it"
        _say(f"{one.package} {one.version}: {names}: {one.summary}{mended}")
    stale = f", {age} days old: fetch newer ones" if age is not None and age > STALE else ""
    _say(
        f"audit: {len(locked)} locked packages, {len(known)} advisories up to {newest[:10]}{stale};"
        f" {len(found)} known faults"
    )
    return 1 if found else 0


def _age(newest: str) -> int | None:
    try:
        then = time.mktime(time.strptime(newest[:10], "%Y-%m-%d"))
    except ValueError:
        return None
    return int((time.time() - then) // 86_400)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
