"""Files of added layers (`--add-layer`)."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from deepvis_toolbox.opening.added_layer_file import read_added_layer
from tests.fuzz.harness import Files, Harness, harness
from tests.fuzz.tiny import tiny_module
from tests.nets import opened

_MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4) / 10


class _AddedLayers(Harness):
    def use(self, folder: Path) -> None:
        layer = read_added_layer(next(folder.iterdir()))
        net = opened(tiny_module(), (8, 8))
        net.add_layers([layer])
        name = next(name for name in net.layers if net.layers[name].added_to)
        net.forward(torch.ones(1, 3, 8, 8), [name])


@harness("added-layer-npz")
class ArraysOfNumPy(_AddedLayers):
    """Directions on a layer, as NumPy writes them (`--add-layer x.npz`)."""

    def seeds(self) -> list[Files]:
        files = []
        for encoder in ("linear", "relu", "topk:2"):
            buffer = io.BytesIO()
            texts = {"layer": "relu", "name": "own", "encoder": encoder, "names": ["a", "b", "c"]}
            np.savez(buffer, directions=_MATRIX, bias=_MATRIX[:, 0], **texts)  # type: ignore[arg-type]
            files.append({"x.npz": buffer.getvalue()})
        return files


@harness("added-layer-safetensors")
class Safetensors(_AddedLayers):
    """The same in the format of others (`--add-layer x.safetensors`)."""

    def seeds(self) -> list[Files]:
        kinds = {"F32": np.float32, "F64": np.float64, "F16": np.float16, "BF16": np.uint16}
        return [{"x.safetensors": _file(kind, _MATRIX.astype(dtype))} for kind, dtype in kinds.items()]

    def former_failures(self) -> Mapping[str, Files]:
        whole = _file("F32", _MATRIX)
        return {
            "more axes than NumPy has": {"x.safetensors": whole.replace(b"[3, 4]", b"[" + b"1," * 40 + b"12]")},
            "a table of terabytes": {"x.safetensors": struct.pack("<Q", 1 << 50) + b"{}"},
        }


def _file(kind: str, values: np.ndarray) -> bytes:
    entry = {"dtype": kind, "shape": list(values.shape), "data_offsets": [0, values.nbytes]}
    said = {"layer": "relu", "encoder": "topk:2", "names": '["a", "b", "c"]'}
    text = json.dumps({"__metadata__": said, "directions": entry}).encode()
    return struct.pack("<Q", len(text)) + text + values.tobytes()
