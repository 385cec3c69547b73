"""Checks of the repository itself; no network.

The lock fits ``pyproject.toml`` and names no address, the notices name every direct dependency
with its licence, and no file is too large to carry in git. Prints each fault on its own line and
exits with 1 when there is one.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import notices
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent

#: Largest file that may be in the repository, bytes.
LARGEST_FILE = 15_000_000

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
#: All that a line of the lock may be: a pin with its marker, a hash, a comment, nothing.
_LINE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*==[^\s;\\]+( ; [^:/\\]+)?( \\)?"
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
    r"| *#(?!.*(://|@)).*"
    r"|"
)


def direct_requirements(pyproject: dict[str, Any]) -> list[Requirement]:
    """Return what ``pyproject.toml`` asks for: dependencies, development group, build system."""
    listed = [
        *pyproject["project"]["dependencies"],
        *pyproject["dependency-groups"]["dev"],
        *pyproject["build-system"]["requires"],
    ]
    return [Requirement(text) for text in listed]


def pins(lock: str) -> dict[str, Version]:
    """Return the version of every package the lock names, by canonical name."""
    matches = (_PIN.match(line) for line in lock.splitlines())
    return {canonicalize_name(m["name"]): Version(m["version"]) for m in matches if m}


def lock_faults(requirements: list[Requirement], lock: str) -> list[str]:
    """Return why the lock does not fit: missing, refused, without hash, extras left out."""
    pinned = pins(lock)
    faults = []
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name not in pinned:
            faults.append(f"requirements.lock lacks {requirement}")
        elif not requirement.specifier.contains(pinned[name], prereleases=True):
            faults.append(f"requirements.lock has {name} {pinned[name]}, wanted is {requirement}")
        else:
            faults += [
                f"requirements.lock lacks {needed}, which {requirement} brings"
                for needed in _of_extras(requirement)
                if needed not in pinned
            ]
    for stanza in re.split(r"\n(?=[A-Za-z0-9])", lock):
        if _PIN.match(stanza) and "--hash=sha256:" not in stanza:
            faults.append(f"requirements.lock has no hash for {stanza.split()[0]}")
    if faults:
        faults.append("'make lock' resolves again")
    return faults


def _of_extras(requirement: Requirement) -> list[str]:
    """Return the packages that the requirement's extras add on this machine."""
    found: list[str] = []
    if not requirement.extras:
        return found
    for text in importlib.metadata.requires(requirement.name) or []:
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            continue
        if any(needed.marker.evaluate({"extra": extra}) for extra in requirement.extras):
            found.append(canonicalize_name(needed.name))
    return found


def address_faults(lock: str) -> list[str]:
    """Return the lines of the lock that could say where a package comes from."""
    return [
        f"requirements.lock:{number} is neither pin, hash nor comment"
        for number, line in enumerate(lock.splitlines(), start=1)
        if not _LINE.fullmatch(line)
    ]


def repository_files(root: Path, *folders: str) -> list[Path]:
    """Return the files that are in git or would be added to it, those below ``folders`` if named.

    In an unpacked archive, which has no ``.git``, that is every file outside hidden folders.
    """
    if not (root / ".git").exists():
        found = (path for folder in folders or (".",) for path in (root / folder).rglob("*"))
        return [
            path
            for path in found
            if path.is_file()
            and not any(
                part.startswith(".") or part == "__pycache__"
                for part in path.relative_to(root).parts[:-1]
            )
        ]
    # The clone may belong to another user than the one who runs this, which git refuses.
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-zco", "--exclude-standard", "--", *folders],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [root / name for name in listing.split("\0") if name and (root / name).is_file()]


def size_faults(files: list[Path], largest: int = LARGEST_FILE) -> list[str]:
    """Return the files larger than ``largest`` bytes."""
    return [
        f"{path} has {path.stat().st_size / 1e6:.1f} MB; {largest / 1e6:.0f} MB is the limit"
        for path in files
        if path.stat().st_size > largest
    ]


def main() -> None:
    """Print every fault and exit with 1, or say what was checked."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    files = repository_files(ROOT)
    faults = [
        *lock_faults(direct_requirements(pyproject), lock),
        *address_faults(lock),
        *size_faults(files),
        *notices.faults(),
    ]
    if (ROOT / "uv.lock").exists():
        faults.append("uv.lock: requirements.lock is the only lock")
    if faults:
        sys.exit("\n".join(faults))
    sys.stdout.write(f"lock, notices and {len(files)} files are in order\n")


if __name__ == "__main__":
    main()
