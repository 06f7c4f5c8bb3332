"""Checks the cache: it never waits, keeps to its byte limit, says what is missing and notices what is made later."""

from __future__ import annotations

import errno
import os
import struct
import threading
import time

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.unit_images import LOADING, Missing, UnitImageCache, UnitImageStore, montage3x3
from deepvis_toolbox.unit_images import cache as cache_module
from deepvis_toolbox.unit_images.claim import NetworkIdentity, write_claim
from deepvis_toolbox.unit_images.numbers import UnitNumbers, add_numbers, picture_hash
from deepvis_toolbox.unit_images.picture_file import read_picture
from deepvis_toolbox.words.unit import Unit


def wait_for(get, wanted, seconds=10.0):
    """Asks until the answer is as wanted."""
    end = time.monotonic() + seconds
    while not wanted(answer := get()):
        assert time.monotonic() < end, f"still {answer}"
        time.sleep(0.005)
    return answer


def montage(value: int) -> np.ndarray:
    return montage3x3([np.full((20, 20, 3), value, np.uint8)] * 9)


@pytest.fixture
def store(tmp_path):
    store = UnitImageStore(tmp_path)
    for unit in range(20):
        store.write_montage("max_im", Unit("conv1", unit), montage(10 * unit))
    return store


def test_a_picture_is_loading_first_and_then_there(store):
    with UnitImageCache(store) as cache:
        picture = wait_for(lambda: cache.get("max_im", Unit("conv1", 3)), lambda answer: answer is not LOADING)
        assert np.array_equal(picture, store.read("max_im", Unit("conv1", 3)))
        assert cache.get("max_im", Unit("conv1", 3)) is picture
        assert not picture.flags.writeable


def test_a_picture_comes_with_what_its_file_says_of_it(store):
    store.write_montage("max_deconv", Unit("conv1", 3), montage(30), "guided:norm")
    with UnitImageCache(store) as cache:
        assert cache.said("max_deconv", Unit("conv1", 3)) == ""
        wait_for(lambda: cache.get("max_deconv", Unit("conv1", 3)), lambda answer: answer is not LOADING)
        assert cache.said("max_deconv", Unit("conv1", 3)) == "guided:norm"


def test_asking_never_waits_for_the_disk_and_the_newest_wish_is_served_first(store):
    gate, order = threading.Event(), []

    class SlowStore(UnitImageStore):
        def read(self, kind, unit):
            order.append(unit.channel)
            assert gate.wait(10)
            return super().read(kind, unit)

    with UnitImageCache(SlowStore(store.folder)) as cache:
        cache.get("max_im", Unit("conv1", 0))
        wait_for(lambda: order, lambda seen: seen == [0])
        began = time.perf_counter()
        assert all(cache.get("max_im", Unit("conv1", unit)) is LOADING for unit in range(20))
        assert time.perf_counter() - began < 0.1
        gate.set()
        wait_for(lambda: order, lambda seen: len(seen) >= 2)
        assert order[1] == 19


def test_wishes_that_the_selection_left_behind_are_forgotten(store, monkeypatch):
    monkeypatch.setattr(cache_module, "MAX_WAITING", 4)
    gate, read = threading.Event(), []

    class SlowStore(UnitImageStore):
        def read(self, kind, unit):
            read.append(unit.channel)
            assert gate.wait(10)
            return super().read(kind, unit)

    with UnitImageCache(SlowStore(store.folder)) as cache:
        cache.get("max_im", Unit("conv1", 0))
        wait_for(lambda: read, lambda seen: seen == [0])
        for unit in range(1, 20):
            cache.get("max_im", Unit("conv1", unit))
        gate.set()
        wait_for(lambda: read, lambda seen: len(seen) == 5)
        time.sleep(0.05)
        assert read == [0, 19, 18, 17, 16]


def test_the_bytes_kept_stay_below_the_limit_and_the_oldest_go_first(store):
    one = montage(0).nbytes
    with UnitImageCache(store, byte_limit=int(3.5 * one)) as cache:
        for unit in range(6):
            wait_for(lambda unit=unit: cache.get("max_im", Unit("conv1", unit)), lambda answer: answer is not LOADING)
            assert cache.bytes <= 3.5 * one
        assert cache.get("max_im", Unit("conv1", 5)) is not LOADING
        assert cache.get("max_im", Unit("conv1", 0)) is LOADING


def test_what_is_missing_is_said_with_the_command_and_noticed_once_made(store, monkeypatch):
    monkeypatch.setattr(cache_module, "SECONDS_UNTIL_LOOKING_AGAIN", 0.05)
    with UnitImageCache(store, command_for=lambda kind, unit: f"make {kind} of {unit}") as cache:
        get = lambda: cache.get("regularized_opt", Unit("conv1", 2))  # noqa: E731
        answer = wait_for(get, lambda answer: isinstance(answer, Missing))
        assert "not made yet" in answer.reason
        assert answer.command == "make regularized_opt of conv1:2"
        store.write_montage("regularized_opt", Unit("conv1", 2), montage(99))
        wait_for(get, lambda answer: isinstance(answer, np.ndarray))


def test_a_damaged_picture_says_so_and_the_next_one_is_read(store):
    store.montage_path("max_im", Unit("conv1", 1)).write_bytes(b"broken")
    with UnitImageCache(store) as cache:
        answer = wait_for(lambda: cache.get("max_im", Unit("conv1", 1)), lambda answer: answer is not LOADING)
        assert isinstance(answer, Missing)
        assert "conv1_0001" in answer.reason
        assert not answer.command, "what is there already is not made by the command"
        wait_for(lambda: cache.get("max_im", Unit("conv1", 2)), lambda answer: isinstance(answer, np.ndarray))


def dds_that_its_decoder_gives_up_on() -> bytes:
    """A DirectDraw surface of a pixel format that Pillow raises `NotImplementedError` for."""
    header = struct.pack("<7I", 124, 0x1007, 8, 8, 32, 0, 0) + bytes(44)
    pixel_format = struct.pack("<2I4s5I", 32, 4, b"NONE", *[0] * 5)
    return b"DDS " + header + pixel_format + struct.pack("<5I", 0x1000, 0, 0, 0, 0) + bytes(64)


def test_a_file_of_another_kind_is_not_handed_to_its_decoder(store):
    path = store.montage_path("max_im", Unit("conv1", 1))
    path.write_bytes(dds_that_its_decoder_gives_up_on())
    with pytest.raises(ToolboxError, match=r"conv1_0001.jpg\": no picture format"):
        read_picture(path)


def test_whatever_the_disk_raises_is_told_and_the_thread_lives(store, monkeypatch):
    impossible, folder_of = "impossible", store.layer_folder

    def failing(kind, layer):
        if layer == impossible:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        return folder_of(kind, layer)

    monkeypatch.setattr(store, "layer_folder", failing)
    with UnitImageCache(store) as cache:
        answer = wait_for(lambda: cache.get("max_im", Unit(impossible, 1)), lambda answer: answer is not LOADING)
        assert isinstance(answer, Missing)
        assert "too long" in answer.reason
        tiles = wait_for(
            lambda: cache.get_tiles("max_im", impossible, 4, 8), lambda answer: answer is not LOADING and answer.done
        )
        assert "too long" in tiles.problem
        wait_for(lambda: cache.get("max_im", Unit("conv1", 2)), lambda answer: isinstance(answer, np.ndarray))


def test_forget_reads_a_picture_made_again(store):
    with UnitImageCache(store) as cache:
        wait_for(lambda: cache.get("max_im", Unit("conv1", 1)), lambda answer: answer is not LOADING)
        store.write_montage("max_im", Unit("conv1", 1), montage(222))
        cache.forget(Unit("conv1", 1))
        picture = wait_for(lambda: cache.get("max_im", Unit("conv1", 1)), lambda answer: answer is not LOADING)
        assert abs(float(picture[5, 5, 0]) - 222) < 5


def test_tiles_of_a_layer_come_from_its_montages_and_missing_ones_are_counted(store, monkeypatch):
    monkeypatch.setattr(cache_module, "SECONDS_UNTIL_LOOKING_AGAIN", 0.05)
    with UnitImageCache(store) as cache:
        get = lambda: cache.get_tiles("max_im", "conv1", 24, 8)  # noqa: E731
        tiles = wait_for(get, lambda answer: answer is not LOADING and answer.done)
        assert tiles.pixels.shape == (24, 8, 8, 3)
        assert tiles.missing == 4
        assert [round(float(tiles.pixels[unit].mean()) / 10) for unit in range(20)] == list(range(20))
        store.write_montage("max_im", Unit("conv1", 23), montage(120))
        tiles = wait_for(get, lambda answer: answer.missing == 3)
        assert abs(float(tiles.pixels[23].mean()) - 120) < 5


def test_tiles_of_a_layer_come_from_its_whole_layer_picture_where_there_is_one(store):
    store.write_whole_layer("regularized_opt", "conv1", np.full((32, 32, 3), 60, np.uint8))
    with UnitImageCache(store) as cache:
        get = lambda: cache.get_tiles("regularized_opt", "conv1", 15, 8)  # noqa: E731
        tiles = wait_for(get, lambda answer: answer is not LOADING and answer.done)
        assert tiles.missing == 0
        assert abs(float(tiles.pixels.mean()) - 60) < 3


def test_why_pictures_cannot_be_shown_stands_where_the_command_would(store):
    write_claim(store.folder, lambda: NetworkIdentity("alexnet", "torch", "a" * 64))
    others = UnitImageStore(store.folder, network=lambda: NetworkIdentity("vgg", "torch", "b" * 64))
    with UnitImageCache(others, command_for=lambda *_: "make it") as cache:
        answer = wait_for(lambda: cache.get("max_im", Unit("conv1", 2)), lambda answer: isinstance(answer, Missing))
        assert "other weights (alexnet" in answer.reason
        assert answer.command == ""
        tiles = wait_for(lambda: cache.get_tiles("max_im", "conv1", 20, 8), lambda tiles: tiles is not LOADING)
        assert not tiles.there.any()


def test_it_tells_in_short_how_far_to_trust_preferred_images(store):
    path, unit = store.write_montage("regularized_opt", Unit("conv1", 3), montage(9)), Unit("conv1", 3)
    add_numbers(store, {unit: UnitNumbers(picture_sha256=picture_hash(path), reached=3.0)}, {unit: 2.0})
    with UnitImageCache(store) as cache:
        wait_for(lambda: cache.get("regularized_opt", unit), lambda answer: answer is not LOADING)
        wait_for(lambda: cache.get("max_im", unit), lambda answer: answer is not LOADING)
        assert cache.numbers("regularized_opt", unit) == "1.5×"
        assert cache.numbers("max_im", unit) == ""
