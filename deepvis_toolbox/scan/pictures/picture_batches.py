"""Batches of network inputs, decoded in processes beside the network, in the list's order."""

from __future__ import annotations

import json
import mmap
import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.scan.pictures.decode_process import DecodeProcess
from deepvis_toolbox.scan.pictures.decode_worker import preprocessing_record
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.sources.shared_memory import shared_memory

MOST_WORKERS = 256


@dataclass(frozen=True)
class PictureBatch:
    """Pictures `first` … of the list, as the network takes them; unreadable ones are zeros and named in `reasons`.

    `inputs`: float32 (B, C, H, W), valid until the next batch is asked for. `reasons`: {index in the list: why}.
    """

    number: int
    first: int
    inputs: torch.Tensor
    reasons: dict[int, str]

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Which of the batch's pictures were read: bool (B,)."""
        size = len(self.inputs)
        return np.array([self.first + offset not in self.reasons for offset in range(size)], bool)


class PictureBatches:
    """Cuts a list into batches, always at multiples of the batch size, and decodes those asked for.

    `workers`: processes that decode, started with the first batch; 0 decodes one picture after another (in
    the program's one process for that). A context manager; leaving it ends the processes.
    """

    def __init__(self, pictures: PictureList, preprocessing: Preprocessing, batch_size: int, workers: int = 0) -> None:
        if not 0 <= workers <= MOST_WORKERS:
            raise ToolboxError(f"{workers} decoding processes are asked for; --workers is 0 to {MOST_WORKERS}")
        self.count = -(-len(pictures) // batch_size)
        self._pictures = pictures
        self._preprocessing = preprocessing
        self._batch_size = batch_size
        self._reader = PictureReader(preprocessing)
        self._workers = workers
        self._pool: _DecodingPool | None = None

    def read(self, number: int) -> PictureBatch:
        """Return one batch by itself, whose inputs stay valid."""
        if self._workers:
            (batch,) = (replace(batch, inputs=batch.inputs.clone()) for batch in self([number]))
            return batch
        listed = self._listed(number)
        inputs = np.empty((len(listed.paths), *self._preprocessing.input_shape), np.float32)
        reasons = [self._reader.read_into(slot, path) for slot, path in zip(inputs, listed.paths, strict=True)]
        return _batch(listed, inputs, reasons)

    def of(self, indices: Iterable[int]) -> PictureBatches:
        """Return batches of some of the list's pictures alone; at most one process decodes them."""
        return PictureBatches(
            self._pictures.only(indices), self._preprocessing, self._batch_size, min(1, self._workers)
        )

    def __call__(self, numbers: Iterable[int]) -> Iterator[PictureBatch]:
        """Yield the batches with these numbers, in this order. `ToolboxError` as `DecodeProcess.decode`."""
        if not self._workers:
            yield from map(self.read, numbers)
            return
        if self._pool is None:
            self._pool = _DecodingPool(self._preprocessing, self._batch_size, self._workers)
        for listed, inputs, reasons in self._pool.decode(map(self._listed, numbers)):
            yield _batch(listed, inputs, reasons)

    def _listed(self, number: int) -> _ListedBatch:
        first = number * self._batch_size
        last = min(first + self._batch_size, len(self._pictures))
        return _ListedBatch(number, first, [self._pictures.path(index) for index in range(first, last)])

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> PictureBatches:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _ListedBatch(NamedTuple):
    """A batch before it is decoded: its number, the first picture's place in the list, where the pictures are."""

    number: int
    first: int
    paths: list[str]


def _batch(listed: _ListedBatch, inputs: NDArray[np.float32], reasons: list[str | None]) -> PictureBatch:
    told = {listed.first + offset: reason for offset, reason in enumerate(reasons) if reason is not None}
    return PictureBatch(listed.number, listed.first, torch.from_numpy(inputs), told)


_Decoded = tuple[_ListedBatch, NDArray[np.float32], list[str | None]]


class _DecodingPool:
    """Worker processes, each with a thread here that waits for it; decoded batches lie in a shared memory.

    The memory has two slots a worker and one for the batch in use, so that its size and the decoding ahead are bounded.
    """

    def __init__(self, preprocessing: Preprocessing, batch_size: int, workers: int) -> None:
        self._shape = preprocessing.input_shape
        picture_bytes = int(np.prod(self._shape)) * 4
        self._slot_bytes = batch_size * picture_bytes
        slots = 2 * workers + 1
        try:
            self._descriptor = shared_memory(slots * self._slot_bytes)
        except OSError as error:
            size = slots * self._slot_bytes >> 20
            raise ToolboxError(f"no memory for {size} MiB of decoded pictures: use a smaller batch size") from error
        self._memory = mmap.mmap(self._descriptor, slots * self._slot_bytes)
        self._free_slots = deque(range(slots))
        first_line = json.dumps(preprocessing_record(preprocessing))
        self._idle: queue.Queue[DecodeProcess] = queue.Queue()
        for _ in range(workers):
            self._idle.put(DecodeProcess(self._descriptor, slots * self._slot_bytes, picture_bytes, first_line))
        self._workers = list(self._idle.queue)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decoding")

    def decode(self, batches: Iterable[_ListedBatch]) -> Iterator[_Decoded]:
        """Yield each batch's pictures, in order; the array is overwritten after the next one is asked for."""
        waiting: deque[tuple[_ListedBatch, int, Future[list[str | None]]]] = deque()
        source = iter(batches)
        while True:
            while self._free_slots and (listed := next(source, None)) is not None:
                slot = self._free_slots.popleft()
                waiting.append((listed, slot, self._threads.submit(self._decode_one, slot, listed.paths)))
            if not waiting:
                return
            listed, slot, future = waiting.popleft()
            reasons = future.result()
            shape = (len(listed.paths), *self._shape)
            inputs = np.ndarray(shape, np.float32, self._memory, slot * self._slot_bytes)
            inputs[[reason is not None for reason in reasons]] = 0  # a process that died may have left half of one
            yield listed, inputs, reasons
            self._free_slots.append(slot)

    def _decode_one(self, slot: int, paths: list[str]) -> list[str | None]:
        worker = self._idle.get()
        try:
            return worker.decode(slot * self._slot_bytes, paths)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        os.close(self._descriptor)
        with suppress(BufferError):  # the caller may still look at the last batch: then it goes with that
            self._memory.close()
