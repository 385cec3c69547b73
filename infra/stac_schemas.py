"""Brings the published schemas of STAC's extensions to where the tests look for them.

    python infra/stac_schemas.py FOLDER

No package installs them. The sources of pystac's extensions hold them, word for word as they were
published, in the recordings that their own tests are run with; the lock names these sources with
their checksums. Each schema goes to ``FOLDER/HOST/PATH`` of its address. Answers at once where the
folder was filled from this lock. Without a network it says so and ends well: the tests that need a
schema are skipped by name.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[1]
#: Hosts whose answers are schemas of extensions, or schemas that these refer to.
HOSTS = ("stac-extensions.github.io", "proj.org")
_PIN = re.compile(r"^pystac-ext-\S+==\S+(?: \\\n    --hash=\S+)+", re.MULTILINE)


def wanted(lock: str) -> str:
    """Return the lines of the lock that name pystac's extensions."""
    return "\n".join(_PIN.findall(lock)) + "\n"


def fetch(pins: str, folder: Path) -> None:
    """Fetch their sources, each held against its checksum.

    Raises:
        CalledProcessError: pip could not.
    """
    lines = folder / "sources.lock"
    lines.write_text(pins, encoding="utf-8")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-build-isolation", "--require-hashes", "--no-binary", ":all:",
            "--dest", str(folder), "--requirement", str(lines),
        ],
        check=True, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def recorded(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield address and answer of each schema that the tests of a source were recorded with."""
    with tarfile.open(archive) as held:
        for member in held:
            stream = held.extractfile(member) if "/cassettes/" in member.name else None
            if stream is None:
                continue
            moved: dict[str, str] = {}
            for one in yaml.safe_load(stream.read())["interactions"]:
                address, answer = one["request"]["uri"], one["response"]
                if urlsplit(address).hostname not in HOSTS:
                    continue
                if answer["status"]["code"] in (301, 302):
                    moved[answer["headers"]["Location"][0]] = address
                elif answer["status"]["code"] == 200:
                    body = answer["body"]["string"]
                    content = body if isinstance(body, bytes) else body.encode()
                    json.loads(content)
                    yield moved.get(address, address), content


def main(folder: str) -> None:
    """Fill the folder, unless it is."""
    out, pins = Path(folder), wanted((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    known, made_of = out / "made-of", hashlib.sha256(pins.encode()).hexdigest()
    if known.exists() and known.read_text(encoding="utf-8") == made_of:
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            fetch(pins, Path(scratch))
        except subprocess.CalledProcessError as error:
            said = (error.stderr or "").strip().splitlines()
            sys.stderr.write(
                "schemas of STAC's extensions cannot be fetched; the tests that need them are "
                f"skipped ({said[-1] if said else error})\n"
            )
            return
        for archive in sorted(Path(scratch).glob("*.tar.gz")):
            for address, content in recorded(archive):
                parts = urlsplit(address)
                path = out / str(parts.hostname) / parts.path.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    known.write_text(made_of, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
