"""Caffe's files: definitions, weights of both kinds, means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.opening.mean_file import read_mean
from tests.caffe.graphs import build_graph
from tests.fuzz import caffe_seeds as seeds
from tests.fuzz.harness import Files, Harness, harness

RUNNABLE_VALUES = 1 << 20
"""Networks whose blobs have no more values than this are run."""


class _CaffeNetworks(Harness):
    """A definition and its weights."""

    weights = "weights.caffemodel"

    def use(self, folder: Path) -> None:
        graph = build_graph(folder / "deploy.prototxt", folder / self.weights)
        if sum(map(math.prod, graph.meta["blob_shapes"].values())) <= RUNNABLE_VALUES:
            with torch.inference_mode():
                graph(torch.ones(1, *graph.meta["input_shape"]))


@harness("prototxt")
class Definitions(_CaffeNetworks):
    """Definitions of Caffe networks, of three generations (`prototxt: deploy.prototxt`)."""

    targets = ("deploy.prototxt",)

    def seeds(self) -> list[Files]:
        return [
            {"deploy.prototxt": seeds.NEWER.encode(), "weights.caffemodel": seeds.newer_weights()},
            {"deploy.prototxt": seeds.OLDER.encode(), "weights.caffemodel": seeds.older_weights()},
            {"deploy.prototxt": seeds.FIRST.encode(), "weights.caffemodel": seeds.older_weights()},
        ]


@harness("caffemodel")
class Weights(Definitions):
    """Weights of Caffe networks (`weights: weights.caffemodel`)."""

    targets = ("weights.caffemodel",)


@harness("hdf5")
class Hdf5Weights(_CaffeNetworks):
    """Weights of Caffe networks in HDF5 (`weights: weights.caffemodel.h5`)."""

    weights = "weights.caffemodel.h5"
    targets = (weights,)

    def seeds(self) -> list[Files]:
        contents = [seeds.hdf5_weights(), seeds.hdf5_weights(dtype="f8")]
        return [{"deploy.prototxt": seeds.NEWER.encode(), self.weights: content} for content in contents]


@harness("binaryproto")
class Means(Harness):
    """Means of Caffe (`input: {mean: mean.binaryproto}`)."""

    def seeds(self) -> list[Files]:
        return [{"mean.binaryproto": seeds.mean_blob(shape)} for shape in ((3, 12, 12), (1, 12, 12), (3, 1, 1))]

    def use(self, folder: Path) -> None:
        mean = read_mean(folder / "mean.binaryproto")
        size = (12, 12) if mean.ndim == 1 else (min(12, mean.shape[1]), min(12, mean.shape[2]))
        Preprocessing(size, "gray" if len(mean) == 1 else "BGR", mean)

    def former_failures(self) -> Mapping[str, Files]:
        blob = formats.BlobProto(data=[])
        blob.shape.dim.extend([0, 2**40, 2**40])
        return {"no values of a huge shape": {"mean.binaryproto": blob.SerializeToString()}}
