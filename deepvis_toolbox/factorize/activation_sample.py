"""A sample of a layer's activations over a data set: some places of every picture, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.free_memory import free_memory
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatches
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Layer

HELD_OUT_OF = 10
"""Of so many pictures one is not fitted to, but measured on; all are fitted to where there are fewer."""
_WORKING_COPIES = 6
"""How many times the sample's memory fitting takes, at most."""


@dataclass(frozen=True)
class ActivationSample:
    """What a layer gave at places of pictures that were chosen at random."""

    fitted: Floats
    """(M, C), of the pictures that are fitted to."""
    held_out: Floats
    """(M', C), of the others; `fitted` itself where all are fitted to."""
    pictures: int
    """How many pictures were read."""
    skipped: dict[str, str]
    """{picture: why it could not be read}."""


def sampled_places(layer: Layer) -> int:
    """Return how many vectors of the layer's units one picture gives: places, tokens, or one."""
    return layer.shape[0] if layer.is_tokens else int(np.prod(layer.shape[1:], initial=1))


def sample_activations(
    net: Network,
    layer: Layer,
    pictures: PictureList,
    most: int,
    seed: int,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> ActivationSample:
    """Take at most `most` vectors (C,) of the layer's values, as many of each picture; of more pictures, of some.

    Raises `ToolboxError` where they do not fit the memory, no picture can be read, or the layer gives NaN or infinity.
    """
    _check_memory(layer, min(most, len(pictures) * sampled_places(layer)))
    random = np.random.RandomState(seed)
    if len(pictures) > most:
        pictures = pictures.only(sorted(random.permutation(len(pictures))[:most].tolist()))
    each = min(sampled_places(layer), max(1, most // len(pictures)))
    rows: tuple[list[Floats], list[Floats]] = ([], [])
    skipped: dict[str, str] = {}
    with PictureBatches(pictures, net.preprocessing, batch_size, workers) as batches:
        for batch in batches(range(batches.count)):
            values = net.forward(batch.inputs.to(net.device), [layer.name])[layer.name]
            vectors = vectors_of(values, layer).cpu().numpy()
            for offset, own in enumerate(vectors):
                index = batch.first + offset
                chosen = np.sort(random.permutation(len(own))[:each])
                if index in batch.reasons:
                    skipped[pictures.names[index]] = batch.reasons[index]
                else:
                    rows[_is_held_out(index, len(pictures))].append(own[chosen])
            progress.advance(len(vectors))
    if not rows[0]:
        raise ToolboxError(
            f"none of the {len(pictures)} pictures can be read; the first: {next(iter(skipped.values()))}"
        )
    fitted = np.concatenate(rows[0])
    held_out = np.concatenate(rows[1]) if rows[1] else fitted
    if not (np.isfinite(fitted).all() and np.isfinite(held_out).all()):
        raise ToolboxError(f'layer "{layer.name}" gives values that are not finite; choose another one')
    return ActivationSample(fitted, held_out, len(rows[0]) + len(rows[1]), skipped)


def vectors_of(values: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Return a layer's values, float32 (N, …), as vectors of its units: (N, places, C)."""
    if layer.is_tokens:
        return values
    return values.flatten(2).transpose(1, 2) if layer.is_spatial else values[:, None]


def _is_held_out(index: int, pictures: int) -> bool:
    return pictures >= HELD_OUT_OF and index % HELD_OUT_OF == HELD_OUT_OF - 1


def _check_memory(layer: Layer, rows: int) -> None:
    needed, free = 4 * rows * layer.channels * _WORKING_COPIES, free_memory()
    if needed > free:
        raise ToolboxError(
            f"{rows} samples of {layer.channels} values take {needed >> 20} MiB while they are fitted, and "
            f"{free >> 20} MiB are free; take fewer --samples"
        )
