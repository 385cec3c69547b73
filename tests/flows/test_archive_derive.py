"""Archives rewritten with something that never happened."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from detectors.errors import InvalidArchive
from flows.archive.cogs import is_cog
from flows.archive.derive import derive
from flows.archive.manifest import open_archive

BURST = "T137-292321-IW2"


def brighten(item, pixels):
    if item["properties"]["datetime"] < "2023-01-01":
        return None
    pixels["VV"][5:9, 5:9] *= 2.5
    return {"VV": pixels["VV"]}


@pytest.fixture
def derived(archive_folder, tmp_path):
    real = open_archive(archive_folder)
    derive(real, tmp_path / "sim", brighten, collection="drill", bursts={BURST},
           changes="A block was brightened.")  # fmt: skip
    return real, open_archive(tmp_path / "sim")


def test_simulated_is_said_everywhere(derived):
    _, archive = derived
    assert archive.id == "drill"
    assert archive.simulated
    assert archive.collection["title"].startswith("SIMULATED: ")
    assert archive.collection["description"].startswith("SIMULATED. ")
    assert "**SIMULATED." in (archive.path / "PROVENANCE.md").read_text("utf-8")
    items = archive.items()
    assert len(items) == 3
    for item in items:
        assert item["id"].endswith("_SIM")
        assert item["collection"] == "drill"
        assert item["properties"]["scarpwatch:simulated"] is True
        assert item["properties"]["opera:burst_id"] == BURST
    assert [i["properties"]["scarpwatch:edited"] for i in items] == [False, True, True]


def test_only_the_edit_changes_pixels(derived):
    real, archive = derived
    by_id = {item["id"]: item for item in real.items()}
    for item in archive.items():
        original = by_id[item["properties"]["scarpwatch:derived_from"]]
        assert item["properties"]["published"] == original["properties"]["published"]
        for layer in ("VV", "VH"):
            made, source = archive.cog(item, layer), real.cog(original, layer)
            assert is_cog(made)
            with rasterio.open(made) as new, rasterio.open(source) as old:
                changed = new.read(1) != old.read(1)
            edited = item["properties"]["scarpwatch:edited"] and layer == "VV"
            assert changed.sum() == (16 if edited else 0)
            same_sum = (
                item["assets"][layer]["file:checksum"]
                == (original["assets"][layer]["file:checksum"])
            )
            assert same_sum is not edited


@pytest.mark.parametrize(
    "bad",
    [np.zeros((2, 2), np.float32), np.zeros((30, 40), np.float64)],
)
def test_edit_that_does_not_fit_leaves_nothing_behind(archive_folder, tmp_path, bad):
    real = open_archive(archive_folder)
    with pytest.raises(InvalidArchive, match="instead of float32"):
        derive(real, tmp_path / "sim", lambda *_: {"VV": bad}, collection="x", changes="none")
    assert not (tmp_path / "sim").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_needs_an_id_of_its_own_and_known_bursts(archive_folder, tmp_path):
    real = open_archive(archive_folder)
    with pytest.raises(InvalidArchive, match="an id of its own"):
        derive(real, tmp_path / "sim", brighten, collection=real.id, changes="none")
    with pytest.raises(InvalidArchive, match="no looks of T001"):
        derive(real, tmp_path / "sim", brighten, collection="x", changes="none", bursts={"T001"})
