"""Preferred images on a Ray cluster: a list of pictures, climbed in parts by workers with a network each.

Ray is an optional extra. When a worker dies, Ray starts it again and its part is
climbed anew; what came back before is written already, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from deepvis_toolbox.extensions import extended
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import AscentTask, climbed_batches
from deepvis_toolbox.optimize.method.result import AscentResult
from deepvis_toolbox.process_tuning import tune_process
from deepvis_toolbox.progress import Progress, Silence
from deepvis_toolbox.ray_cluster import gpus_of, networks_of, ray_cluster

PICTURES_A_PART = 8
MOST_DEATHS = 20

Climbed = tuple[list[AscentTask], list[AscentResult]]


class Climber:
    """Lives in a process of the cluster, with a network of its own."""

    def __init__(self, open_network: Callable[[], Network], threads: int) -> None:
        tune_process()
        torch.set_num_threads(threads)
        self._net = open_network()

    def climb(
        self, part: Sequence[AscentTask], settings: AscentSettings, batch_size: int | Literal["auto"]
    ) -> list[Climbed]:
        """Return a part's pictures, batch by batch."""
        return list(climbed_batches(self._net, part, settings, batch_size, Silence()))


def climbed_on_ray(
    address: str,
    open_network: Callable[[], Network],
    pictures: Sequence[AscentTask],
    settings: AscentSettings,
    batch_size: int | Literal["auto"],
    progress: Progress,
) -> Iterator[Climbed]:
    """Do as `climbed_batches`, on the Ray cluster at `address` (`local`: one started here; `auto`: a running one).

    `open_network` is called in each worker. `ToolboxError` where Ray is missing or its workers fail.
    """
    size = PICTURES_A_PART if batch_size == "auto" else batch_size
    parts = _parts(pictures, size)
    with ray_cluster(address, "the run") as ray:
        from ray.util import ActorPool

        pool = ActorPool(_climbers(ray, extended(open_network), len(parts)))
        climbed = pool.map_unordered(lambda actor, part: actor.climb.remote(part, settings, batch_size), parts)
        for part in climbed:
            for batch, results in part:
                progress.advance(len(batch))
                yield batch, results


def _parts(pictures: Sequence[AscentTask], size: int) -> list[list[AscentTask]]:
    """Return the pictures in parts of this size; those that climb together are one part."""
    together: dict[AscentTask, list[AscentTask]] = {}
    for picture in pictures:
        if picture.beside:
            together.setdefault(replace(picture, seed=0), []).append(picture)
    alone = [picture for picture in pictures if not picture.beside]
    return [*together.values(), *(alone[begin : begin + size] for begin in range(0, len(alone), size))]


def _climbers(ray: Any, open_network: Callable[[], Network], parts: int) -> list[Any]:
    """As many workers as the cluster has networks; no more than there are parts."""
    count = max(1, min(parts, networks_of(ray)))
    again = {"max_restarts": MOST_DEATHS, "max_task_retries": MOST_DEATHS}
    make = ray.remote(num_cpus=1, num_gpus=1 if gpus_of(ray) else 0, **again)(Climber).remote
    return [make(open_network, torch.get_num_threads()) for _ in range(count)]
