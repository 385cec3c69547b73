"""What a source itself says of layover and shadow, over loopback as over the world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from affine import Affine
from shapely.geometry import box

from detectors.errors import ImageryUnavailable, UnreadableRaster
from detectors.types import Grid, Unseen
from flows.archive.build import build
from flows.archive.derive import derive
from flows.archive.manifest import open_archive
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.items import to_acquisition
from flows.catalogs.registry import make_catalogue
from flows.imagery import read_local_incidence, read_mask, read_pass
from tests.rasters import Signing, look
from tests.sentinel_hub_server import PROCESS, s1_feature

NOW = datetime(2023, 2, 1, tzinfo=UTC)
WHOLE = Grid(32611, Affine(30, 0, 239_250, 0, -30, 3_853_590), 30, 40)
#: OPERA's flags, row by row, and what they mean; the fifth row is a flag that nobody defined.
FLAGS = np.repeat(np.array([0, 1, 2, 3, 7, 255], np.uint8), 5)[:, None] * np.ones((1, 40), np.uint8)
_SEEN, _DARK, _OVER, _NONE = (
    Unseen.SEEN, Unseen.RADAR_SHADOW, Unseen.LAYOVER, Unseen.NO_DATA,
)  # fmt: skip
_CODES = np.array([_SEEN, _DARK, _OVER, _OVER, _NONE, _NONE], np.uint8)
MEANT = np.repeat(_CODES, 5)[:, None] * np.ones((1, 40), np.uint8)


@pytest.fixture
def archive(product, tmp_path):
    """An archive of one look that brings its flags."""
    product(tmp_path / "in")
    product(tmp_path / "in", layer="mask", values=FLAGS)
    return open_archive(build(tmp_path / "in", tmp_path / "archive").path)


@pytest.fixture
def catalogue(files):
    return make_catalogue("archive", CatalogueSettings(kind="stac", url=files.url))


def announced(archive, files):
    """The look as the catalogue of the archive's server announces it."""
    (item,) = archive.items()
    own = {"rel": "self", "href": f"{files.url}/items/{item['id']}"}
    files.mount(archive)
    folder = f"{files.url}/cogs/{archive.id}"
    assets = {
        name: {**asset, "href": f"{folder}/{asset['href'].rpartition('/')[2]}"}
        for name, asset in item["assets"].items()
    }
    return to_acquisition({**item, "links": [own], "assets": assets}, "archive/opera-rtc-s1", NOW)


def test_flags_of_a_served_archive_become_reasons(archive, files, catalogue) -> None:
    found = announced(archive, files)
    assert found.polarisations == ("VV",)
    assert found.assets.keys() == found.checksums.keys() == {"VV", "mask"}
    codes = read_mask(found, WHOLE, catalogue)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, MEANT)
    assert any("_mask.tif" in address for address in files.seen())
    assert read_local_incidence(found, WHOLE, catalogue) is None


def test_a_part_beyond_the_edge_is_no_data_and_other_grids_get_flags_that_exist(
    archive, files, catalogue
) -> None:
    found = announced(archive, files)
    beyond = Grid(32611, WHOLE.transform @ Affine.translation(30, 3), 10, 20)
    codes = read_mask(found, beyond, catalogue)
    np.testing.assert_array_equal(codes[:, :10], MEANT[3:13, 30:])
    assert (codes[:, 10:] == Unseen.NO_DATA).all()
    finer = Grid(32611, WHOLE.transform @ Affine.scale(1 / 3), 45, 120)
    np.testing.assert_array_equal(
        read_mask(found, finer, catalogue), np.kron(MEANT[:15], np.ones((3, 3), np.uint8))
    )


def test_flags_stay_with_a_simulated_archive(archive, files, catalogue, tmp_path) -> None:
    def louder(_, bands):
        return {name: band * 2 for name, band in bands.items()}

    report = derive(
        archive, tmp_path / "planted", louder, collection="opera-rtc-s1-sim", changes="Twice."
    )
    found = announced(open_archive(report.path), files)
    assert found.simulated
    np.testing.assert_array_equal(read_mask(found, WHOLE, catalogue), MEANT)


def test_a_product_without_flags_says_nothing(product, tmp_path, files, catalogue) -> None:
    product(tmp_path / "in")
    plain = open_archive(build(tmp_path / "in", tmp_path / "archive").path)
    found = announced(plain, files)
    assert found.assets.keys() == {"VV"}
    assert read_mask(found, WHOLE, catalogue) is None


def test_flags_that_cannot_be_had_are_named(archive, files, catalogue, product, tmp_path) -> None:
    found = announced(archive, files)
    files.rules({"match": "_mask", "status": 404, "times": 99})
    with pytest.raises(ImageryUnavailable, match=r"mask: HTTP 404"):
        read_mask(found, WHOLE, catalogue)
    files.rules()
    odd = product(tmp_path / "odd", layer="mask", values=FLAGS.astype(np.float32))
    wrong = look("", assets={"VV": "-", "mask": str(odd)})
    with pytest.raises(UnreadableRaster, match="float32 is not flags of layover and shadow"):
        read_mask(wrong, WHOLE, Signing())


def test_a_processing_service_tells_shadow_and_angle_with_the_look(hub, hub_catalogue, tmp_path):
    when = datetime(2023, 1, 1, 1, 59, 7, tzinfo=UTC)
    hub.features["sentinel-1-grd"] = [s1_feature(when)]
    catalogue = hub_catalogue(state=tmp_path)
    (found,) = catalogue.search(
        "sentinel-1-grd", box(-119.5, 34.2, -119.4, 34.3),
        sensed_after=when - timedelta(days=1), until=when + timedelta(days=1),
    )  # fmt: skip
    where = Grid(32611, Affine(30, 0, 270_000, 0, -30, 3_800_010), 60, 40)
    gamma0 = read_pass([found], found.polarisations, where, catalogue)
    codes = read_mask(found, where, catalogue)
    # The shadow lay in the answer that the look was made of.
    assert len(hub.at(PROCESS)) == 1
    assert (codes == Unseen.RADAR_SHADOW).any()
    np.testing.assert_array_equal(codes == Unseen.RADAR_SHADOW, np.isnan(gamma0[0]))
    assert set(np.unique(codes)) == {Unseen.SEEN, Unseen.RADAR_SHADOW}
    angle = read_local_incidence(found, where, catalogue)
    assert ((angle >= 30) & (angle <= 40)).all()
