"""Reading ahead is the loop it stands for: same order, same errors, nothing more is asked for."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import UnreadableRaster
from detectors.types import State
from flows import kept_open
from flows.imagery import read_pass
from flows.kept_open import keeping_open, one_ahead, reading_ahead
from flows.rasters import open_href
from tests.optical_watch import DEBRIS
from tests.optical_world import BANDS
from tests.rasters import Signing, grid, look, speckle, write
from tests.watching import Files


@given(
    fails=st.sets(st.integers(0, 11)), sure=st.integers(0, 14), stop=st.integers(0, 12),
    within=st.booleans(),
)  # fmt: skip
def test_a_loop_that_reads_ahead_is_a_loop(
    fails: set[int], sure: int, stop: int, within: bool
) -> None:
    begun: list[int] = []

    def read(number: int) -> int:
        begun.append(number)
        if number in fails:
            raise UnreadableRaster(str(number))
        return number

    def loop() -> list[object]:
        told: list[object] = []
        with reading_ahead(read, range(12), sure) as reads:
            for number, one in enumerate(reads):
                if number == stop:
                    break
                try:
                    told.append(one())
                except UnreadableRaster as error:
                    told.append(str(error))
        return told

    with keeping_open() if within else nullcontext():
        told = loop()
    assert told == [str(n) if n in fails else n for n in range(min(stop, 12))]
    ahead = min(sure, 12) if within and sure > 1 else 0
    assert set(range(min(stop, 12))) <= set(begun) <= set(range(max(min(stop, 12), ahead)))
    assert len(begun) == len(set(begun))


def test_nobody_reads_any_more_once_it_has_failed() -> None:
    at_work, going_on = threading.Semaphore(0), threading.Event()
    reading = threading.Semaphore(0)

    def read(number: int) -> None:
        if number == 0:
            at_work.acquire()
            raise UnreadableRaster("broken")
        at_work.release()
        going_on.wait(10)
        reading.release()

    def fail() -> None:
        with reading_ahead(read, [0, 1], 2) as reads:
            try:
                next(reads)()
            finally:
                going_on.set()

    with keeping_open():
        with pytest.raises(UnreadableRaster, match="broken"):
            fail()
        assert reading.acquire(blocking=False), "the other one came to its end first"


def test_threads_know_what_the_reader_knows() -> None:
    known: ContextVar[str] = ContextVar("known", default="nothing")
    known.set("a meter")
    with keeping_open(), reading_ahead(lambda _: known.get(), range(4), 4) as reads:
        assert [one() for one in reads] == ["a meter"] * 4


@given(fails=st.integers(0, 8), stop=st.integers(0, 8), within=st.booleans())
def test_a_loop_that_is_one_ahead_is_a_loop(fails: int, stop: int, within: bool) -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        if number == fails:
            raise UnreadableRaster(str(number))
        return number

    def loop() -> list[object]:
        told: list[object] = []
        with one_ahead(map(make, range(6))) as items:
            try:
                for item in items:
                    told.append(item)
                    if item == stop:
                        break
            except UnreadableRaster as error:
                told.append(str(error))
        return told

    with keeping_open() if within else nullcontext():
        told = loop()
    until = min(fails, 6)
    expected = list(range(until)) + ([str(fails)] if fails < 6 else [])
    assert told == expected[: stop + 1]
    asked = range(min(len(expected), stop + 1))
    assert made == sorted(set(made))
    if within:
        assert set(asked) <= set(made) <= {*asked, len(asked)} & set(range(6))
    else:
        assert made == list(asked)


def test_the_next_one_is_made_meanwhile_and_never_more() -> None:
    known: ContextVar[str] = ContextVar("known", default="nothing")
    known.set("a meter")
    begun = [threading.Event() for _ in range(4)]
    meters: list[str] = []

    def make(number: int) -> int:
        begun[number].set()
        meters.append(known.get())
        return number

    with keeping_open(), one_ahead(map(make, range(4))) as items:
        for number in items:
            assert number == 3 or begun[number + 1].wait(10)
            time.sleep(0.05)
            assert not any(one.is_set() for one in begun[number + 2 :])
    assert meters == ["a meter"] * 4


def test_what_was_made_in_vain_comes_to_its_end() -> None:
    began, ended = threading.Event(), threading.Event()

    def make(number: int) -> int:
        if number:
            began.set()
            time.sleep(0.2)
            ended.set()
        return number

    with keeping_open(), one_ahead(map(make, range(3))) as items:
        assert next(items) == 0
        assert began.wait(10)
    assert ended.is_set()


def answering_last(
    files: Files, one: str, all_of: list[str]
) -> tuple[list[bool], threading.Thread]:
    """Let a file be answered for only once all of some were asked for; join to know."""
    files.rules({"match": f"GET .*{one}", "hold": True})
    seen: list[bool] = []

    def release() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not seen:
            asked = " ".join(files.seen())
            if all(name in asked for name in all_of):
                seen.append(True)
            time.sleep(0.02)
        files.release()

    beside = threading.Thread(target=release)
    beside.start()
    return seen, beside


def test_passes_are_asked_for_side_by_side(files: Files) -> None:
    items = []
    for number in range(4):
        write(files.root / f"{number}.tif", speckle(64, 64) + np.float32(number), nodata=np.nan)
        items.append(look(f"{files.url}/{number}.tif"))
    seen, beside = answering_last(files, "/0.tif", [f"/{number}.tif" for number in range(4)])

    def read(item: object) -> np.ndarray:
        return read_pass([item], ("VV",), grid(64, 64), Signing())  # type: ignore[list-item]

    with keeping_open(), reading_ahead(read, items, 4) as reads:
        found = [one() for one in reads]
    beside.join()
    assert seen == [True]
    for number, one in enumerate(found):
        np.testing.assert_allclose(one[0], speckle(64, 64) + np.float32(number), rtol=1e-6)


def test_the_bands_of_a_verdict_are_asked_for_side_by_side(
    watch_optically: Any, files: Files
) -> None:
    w = watch_optically(folder=files.root, base_url=files.url)
    landslide = w.suspect()
    name = w.see(4, DEBRIS)
    seen, beside = answering_last(
        files, f"{name}_blue.tif", [f"{name}_{band}.tif" for band in (*BANDS, "scl")]
    )
    w.confirm(5)
    beside.join()
    assert seen == [True]
    assert w.now(landslide).state is State.CONFIRMED


def test_it_is_polite() -> None:
    most, now, lock = 0, 0, threading.Lock()

    def read(_: int) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.01)
        with lock:
            now -= 1

    with keeping_open(), reading_ahead(read, range(40), 40) as reads:
        for one in reads:
            one()
    assert most == kept_open.AT_ONCE


def test_two_items_that_name_one_file_do_not_share_what_is_open(files: Files) -> None:
    values = speckle(64, 64)
    write(files.root / "one.tif", values, nodata=np.nan)
    together, held = threading.Barrier(4), []

    def read(_: int) -> np.ndarray:
        with open_href(f"{files.url}/one.tif", "one", Signing()) as dataset:
            held.append(dataset)
            together.wait(30)
            return np.asarray(dataset.read(1))

    with keeping_open():
        for _ in range(2):
            with reading_ahead(read, range(4), 4) as reads:
                for one in reads:
                    np.testing.assert_array_equal(one(), values)
        assert len({id(dataset) for dataset in held[:4]}) == 4
        # One of them stays open, and is one of the next four.
        assert len({id(dataset) for dataset in held if not dataset.closed}) == 1
        assert len({id(dataset) for dataset in held}) == 7
    assert all(dataset.closed for dataset in held)
