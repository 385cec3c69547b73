"""What overlapping regions share of a look: fewer requests, the same outcome bit for bit."""

from __future__ import annotations

import itertools
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from db import queries, store
from db.engine import transaction
from detectors import registry
from detectors.types import Acquisition, WatchedRegion
from flows import polling, scene_tiles, steps
from flows import shelf as shelves
from flows.confirming import confirm_due
from flows.imagery import GAMMA0, stack_looks
from flows.rasters import _cuts, read_onto
from flows.scene_tiles import read_shared
from flows.shared_scores import compare_and_score
from flows.shelf import Shelf, digest
from tests.optical_watch import DEBRIS, EVENT
from tests.rasters import TRANSFORM, Signing, grid, look, speckle, write
from tests.series import DAYS, END
from tests.watching import by_item, stored_rows

DAY = timedelta(days=1)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf", 10_000_000, DAY)


def second(w, **fields) -> WatchedRegion:
    """Watch the same ground once more, as another region."""
    region = replace(w.region, id="again", name="Again", **fields)
    with w.open() as s:
        store.save_region(s, region)
    return region


def spent(w, region_id: str) -> tuple[int, int]:
    (row,) = w.sql(
        "SELECT coalesce(sum(requests), 0), coalesce(sum(bytes), 0) FROM costs"
        " WHERE region_id = :r AND work = 'judge'", r=region_id,
    )  # fmt: skip
    return int(row[0]), int(row[1])


def test_a_second_region_asks_the_archive_for_nothing_and_finds_the_same(served, files) -> None:
    w = served(settings={"share_mb": 100})
    w.reach(END)
    second(w)
    for region_id in ("slope", "again"):
        polling.poll_region(w.services, region_id)
    steps.detect_due(w.services, "slope")
    asked = len(files.seen())
    first = spent(w, "slope")
    assert first[0] > 10
    steps.detect_due(w.services, "again")

    # Who really read pays; the second one found all of it on the shelf.
    assert len(files.seen()) == asked
    assert spent(w, "again") == (0, 0)
    assert spent(w, "slope") == first
    mine = by_item(w, "slope")
    assert by_item(w, "again") == mine
    assert len(mine) > len(DAYS)

    # Nothing is different where nothing is shared.
    alone = w.services.settings.model_copy(update={"share_mb": 0})
    third = replace(w.region, id="third", name="Third")
    with w.open() as s:
        store.save_region(s, third)
    services = replace(w.services, settings=alone)
    polling.poll_region(services, "third")
    steps.detect_due(services, "third")
    assert len(files.seen()) > asked
    assert by_item(w, "third") == mine


def test_optical_tiles_are_read_once(watch_optically, files) -> None:
    w = watch_optically(folder=files.root, base_url=files.url, settings={"share_mb": 100})
    w.see(4, DEBRIS)
    w.clock.set(EVENT + DAY * 20)

    def searched(region_id: str, share_mb: int) -> tuple[int, list[object]]:
        """Return how many requests a region's own search made, and what came of it."""
        with transaction(w.services.engine) as s:
            region = replace(queries.get_region(s, "slope"), id=region_id, name=region_id)
            store.save_region(s, region)
            store.record_acquisitions(s, region, w.stored)
        own = w.services.settings.model_copy(update={"share_mb": share_mb})
        before = len(files.seen())
        confirm_due(replace(w.services, settings=own), region_id)
        with transaction(w.services.engine) as s:
            found = queries.list_detections(s, region_id)
            looks = queries.list_looks(s, region_id=region_id)
        told = [(one.polygon.wkb, one.evidence, one.ensemble_score, one.d_ndvi) for one in found]
        return len(files.seen()) - before, [
            *told,
            *((one.acquisition.item_id, one.state) for one in looks),
        ]

    asked, found = searched("first", 100)
    again, same = searched("again", 100)
    alone, unshared = searched("alone", 0)
    assert len(found) > len(w.stored), "something was found"
    assert found == same == unshared
    assert (again, asked > 20, alone >= asked) == (0, True, True)


def test_a_region_that_shares_no_ground_keeps_nothing(served) -> None:
    w = served()
    second(w, sources=("local/other",))
    w.run(END)
    assert not w.services.settings.shared.exists()
    assert stored_rows(w.services.engine)["detections"]


# --- tiles


class Counting(Signing):
    """A catalogue whose remote files lie here, and which knows how often it was asked."""

    asked = 0

    def sign(self, href: str, *, renew: bool = False) -> str:
        self.asked += 1
        return href.removeprefix("far://")


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> Callable[[float | None], tuple[Acquisition, Path]]:
    """A tiled product of 170 x 130 pixels with some holes; by its number for no data."""
    folder = tmp_path_factory.mktemp("product")

    def make(nodata: float | None) -> tuple[Acquisition, Path]:
        values = speckle(170, 130)
        values[20:60, 30:90] = np.nan if nodata is None else nodata
        path = write(
            folder / f"{nodata}.tif", values, nodata=nodata, tiled=True, blockxsize=32,
            blockysize=64,
        )  # fmt: skip
        return look(f"far://{path}"), path

    return make


@settings(max_examples=60)
@given(
    at=st.tuples(*[st.integers(-80, 220)] * 2), size=st.tuples(*[st.integers(1, 150)] * 2),
    nodata=st.sampled_from([None, math.nan, 0.5]), side=st.sampled_from([64, 512]),
)  # fmt: skip
def test_any_window_by_tiles_is_what_is_read_at_once(
    product, at, size, nodata, side, tmp_path_factory
) -> None:
    item, path = product(nodata)
    shelf = Shelf(tmp_path_factory.mktemp("shelf"), 10_000_000, DAY)
    wanted_grid = grid(*size, *at)
    with rasterio.open(path) as dataset:
        wanted = read_onto(dataset, wanted_grid, math.nan, np.float32)
    with mock_side(side):
        for _ in range(2):
            told = read_shared(
                shelf, item, "VV", wanted_grid, GAMMA0, Counting(), math.nan, np.float32
            )
            assert told.tobytes() == wanted.tobytes()


@contextmanager
def mock_side(side: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene_tiles, "SIDE", side)
        yield


def test_each_tile_is_fetched_once_whatever_asks_and_a_damaged_one_again(product, shelf) -> None:
    item, _ = product(math.nan)
    catalogue = Counting()

    def read(*window: int) -> np.ndarray:
        return read_shared(
            shelf, item, "VV", grid(*window), GAMMA0, catalogue, math.nan, np.float32
        )

    whole = read(170, 130)
    assert catalogue.asked == 1
    assert read(40, 50, 30, 40).tobytes() == whole[30:70, 40:90].tobytes()
    assert catalogue.asked == 1
    for path in shelf.folder.glob("??/*"):
        path.write_bytes(path.read_bytes()[:-1])
    assert read(170, 130).tobytes() == whole.tobytes()
    assert catalogue.asked == 2


def test_what_is_resampled_or_lies_here_is_not_shared(product, shelf) -> None:
    item, path = product(math.nan)
    shifted = replace(grid(20, 20), transform=TRANSFORM @ Affine.translation(0.5, 0))
    arguments = GAMMA0, Counting(), math.nan, np.float32
    for _ in range(2):
        assert read_shared(shelf, item, "VV", shifted, *arguments) is None
    assert read_shared(shelf, look(path), "VV", grid(20, 20), *arguments) is None


def test_two_at_once_fetch_once(product, shelf) -> None:
    item, _ = product(math.nan)
    catalogue = Counting()
    read = partial(
        read_shared, shelf, item, "VV", grid(170, 130), GAMMA0, catalogue, math.nan, np.float32
    )
    told: list[bytes] = []
    threads = [threading.Thread(target=lambda: told.append(read().tobytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(told)) == 1
    assert len(told) == 4
    assert len(list(shelf.folder.glob("??/*"))) == 2


# --- blocks


SIDES = st.sampled_from((512, 1024))


@given(st.integers(0, 4_000), st.integers(1, 4_000), st.integers(-9_000, 9_000), SIDES)
def test_pieces_cover_a_range_once_and_end_where_the_world_is_cut(
    start, length, origin, side
) -> None:
    end = start + length
    pieces = _cuts(start, end, origin, side)
    assert [pieces[0][0], pieces[-1][1]] == [start, end]
    assert all(one[1] == other[0] for one, other in itertools.pairwise(pieces))
    assert all(0 < b - a <= side for a, b in pieces)
    if length > side:
        assert all(b - a >= side // 8 for a, b in pieces)
        inner = {a + origin for a, _ in pieces[2:-1]}
        assert all(n % side == 0 for n in inner)


@given(
    st.integers(0, 3_000), st.integers(1_600, 4_000), st.integers(0, 3_000),
    st.integers(1_600, 4_000), SIDES,
)  # fmt: skip
def test_overlapping_ranges_have_whole_blocks_in_common(start, length, other, longer, side) -> None:
    first, second = (
        _cuts(begin, begin + long, 7, side) for begin, long in ((start, length), (other, longer))
    )
    low, high = max(start, other), min(start + length, other + longer)
    whole = (high - low) // side - 2
    assert len(set(first) & set(second)) >= whole


# --- scores


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans())
def test_scores_of_the_shelf_are_those_that_would_be_worked_out(
    tmp_path_factory, seed, masked, high, holes
) -> None:
    rng = np.random.default_rng(seed)
    power = rng.gamma(4, 0.05, (8, 2, 40, 48)).astype(np.float32)
    power[-1, :, 10:20, 10:20] *= 4
    if holes:
        power[:, :, :5] = np.nan
    passes = [[look("a", f"item-{n}", n * 1_036_800)] for n in range(8)]
    names = ("VV", "VH")
    pre = stack_looks(list(power[:7]), passes[:7], names, grid(40, 48))
    post = stack_looks([power[7]], passes[7:], names, grid(40, 48))
    unseen = rng.integers(0, 2, (40, 48)).astype(np.uint8) if masked else None
    elevation = rng.uniform(0, 3_000, (40, 48)).astype(np.float32) if high else None
    detectors = [registry.create("sar_log_ratio")]
    shelf = Shelf(tmp_path_factory.mktemp("shelf"), 10_000_000, DAY)
    score = partial(compare_and_score, pre, post, unseen, elevation, detectors)
    stack, scores = score(None)
    for _ in range(2):
        shared, told = score(shelf)
        for name in ("score", "change_db"):
            assert getattr(told, name).tobytes() == getattr(scores, name).tobytes()
        assert told.observability.codes.tobytes() == scores.observability.codes.tobytes()
        for name in ("detector", "weights_version", "config_hash", "wet_scene", "complete"):
            assert getattr(told, name) == getattr(scores, name)
        assert shared.strata.tobytes() == stack.strata.tobytes()
        assert shared.judged.tobytes() == stack.judged.tobytes()
        assert shared.conditions == stack.conditions
    assert (shelf.hits, shelf.misses) == (1, 2)
    # One pixel of one look is another block.
    power[3, 0, 30, 30] *= 1.5
    again = stack_looks(list(power[:7]), passes[:7], names, grid(40, 48))
    compare_and_score(again, post, unseen, elevation, detectors, shelf)
    assert shelf.hits == 1


# --- the shelf


def test_what_is_too_much_or_too_old_goes_and_what_was_used_last_stays(tmp_path) -> None:
    shelf = Shelf(tmp_path / "shelf", 3_500, DAY)
    keys = [digest("test", n) for n in range(5)]
    for n, key in enumerate(keys):
        shelf.put(key, bytes(1_000))
        os.utime(shelf.folder / key[:2] / key[2:], (time.time() - 60 + n,) * 2)
    assert shelf.get(keys[0]) == bytes(1_000)
    assert shelf.prune() <= 3_500
    assert [key for key in keys if shelf.get(key)] == [keys[0], keys[3], keys[4]]
    gone = shelf.folder / keys[4][:2] / keys[4][2:]
    os.utime(gone, (time.time() - 2 * DAY.total_seconds(),) * 2)
    shelf.prune()
    assert shelf.get(keys[4]) is None


def test_processes_that_write_little_keep_to_the_size_together(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shelves, "PRUNE_EVERY", 2_000)
    monkeypatch.setattr(shelves, "random", random.Random(1))
    for number in range(200):
        # As 200 runs, each of which writes a twentieth of what makes one look.
        Shelf(tmp_path, 1_000, DAY).put(digest(number), bytes(100))
    held = sum(path.stat().st_size for path in tmp_path.glob("??/*"))
    # Nobody looking would leave 20,000; looked at every 20th time in the mean.
    assert held < 15_000


def test_a_folder_that_cannot_be_written_to_costs_the_sharing_alone(tmp_path) -> None:
    (tmp_path / "shelf").write_text("a file where the folder should be")
    shelf = Shelf(tmp_path / "shelf", 1_000, DAY)
    with shelf.alone(digest(1)):
        shelf.put(digest(1), b"x")
    assert shelf.get(digest(1)) is None
