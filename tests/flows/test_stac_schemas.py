"""What we write in the words of STAC, against the published schemas of its extensions."""

from __future__ import annotations

import importlib
import io
import json
import re
import tarfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from detectors.learning.change import MODELS as LEARNT
from detectors.weights import MODELS
from flows.archive.manifest import open_archive
from flows.archive.optical import write_optical_archive
from flows.stac_items import COMMON, OWN
from tests.flows.test_archive_optical import BANDS, picture
from tests.stac_schemas import FOLDER, stac_faults

ROOT = Path(__file__).resolve().parents[2]


def radar() -> dict[str, Any]:
    return open_archive(ROOT / "infra" / "demo" / "archive").items()[0]


def test_the_archives_of_looks_are_valid(tmp_path: Path) -> None:
    """Processing 1.2.0 is held against 1.1.0, without the two fields that are new in it."""
    looks = open_archive(ROOT / "infra" / "demo" / "archive").items()
    write_optical_archive(
        [picture()], BANDS, tmp_path / "s2", collection="c", title="t", changes="c"
    )
    looks += open_archive(tmp_path / "s2").items()
    assert len(looks) == 111
    assert [fault for look in looks for fault in stac_faults(look)] == []


@pytest.mark.parametrize(
    "path",
    [*MODELS.glob("*/model.json"), *LEARNT.glob("*/model.json")],
    ids=lambda p: p.parent.name,
)
def test_what_models_say_of_themselves_is_valid(path: Path) -> None:
    assert stac_faults(json.loads(path.read_bytes())) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sar:frequency_band", "Q"),
        ("sat:orbit_state", "up"),
        ("proj:epsg", 32611),
        ("processing:level", 3),
        ("published", "yesterday"),
        ("file:checksum", "none"),
    ],
)
def test_a_fault_is_found(name: str, value: object) -> None:
    wrong = deepcopy(radar())
    place = wrong["assets"]["VV"] if name.startswith("file") else wrong["properties"]
    place[name] = value
    assert any(str(value) in fault or name in fault for fault in stac_faults(wrong))


def test_all_that_composites_declare_was_published() -> None:
    stac_faults({"stac_extensions": []})
    for name in {*COMMON, *(one for names in OWN.values() for one in names)}:
        assert (FOLDER / f"stac-extensions.github.io/{name}/schema.json").is_file(), name


def test_schemas_come_out_of_the_recordings_of_locked_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "infra")
    script = importlib.import_module("stac_schemas")
    pins = script.wanted((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert re.match(r"pystac-ext-\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", pins)
    assert "pystac-core" not in pins
    here, there = "https://proj.org/a.json", "https://proj.org/latest/a.json"
    said = [(here, 302, "", {"Location": [there]}), (there, 200, '{"a": 1}', {}),
            ("https://example.org/b.json", 200, "{}", {})]  # fmt: skip
    told = {
        "interactions": [
            {"request": {"uri": uri},
             "response": {"status": {"code": code}, "headers": more, "body": {"string": body}}}
            for uri, code, body, more in said
        ]
    }  # fmt: skip
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as made:
        for name in ("x/tests/cassettes/a.yaml", "x/tests/data/b.yaml"):
            entry, content = tarfile.TarInfo(name), yaml.safe_dump(told).encode()
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    assert list(script.recorded(tmp_path / "x.tar.gz")) == [(here, b'{"a": 1}')]
