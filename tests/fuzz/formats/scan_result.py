"""What a scan has left in its folder."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deepvis_toolbox.scan.merging import merge
from deepvis_toolbox.scan.patches.patch_store import write_patches
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.result_folder import ResultFolder
from deepvis_toolbox.scan.scanning import scan
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit
from tests.fuzz.harness import Files, Harness, harness, read_case, tried
from tests.fuzz.mutations.arrays import npy, with_header
from tests.fuzz.mutations.values import Path as Place
from tests.fuzz.mutations.values import json_with
from tests.fuzz.mutations.zips import packed, unpacked
from tests.fuzz.tiny import tiny_network

NAMES = tuple(f"{number}.png" for number in range(5))
LABELS = (3, 1, -1, 0, 2)
_BATCH = 2


@harness("scan-result")
class ScanResults(Harness):
    """A scan's folder: `manifest.json`, `top_images.npz`, `pictures.jsonl`, and a checkpoint."""

    targets = ("manifest.json", "checkpoint.json", "top_images.npz", "checkpoint-2.npz", "pictures.jsonl")

    def seeds(self) -> list[Files]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            draw_pictures(folder)
            pictures = PictureList(NAMES, LABELS, str(folder))
            return [
                _finished(folder / "whole", pictures, statistics=True, bottom=True),
                _finished(folder / "plain", pictures, correlations=False, layers="fc"),
                _finished(folder / "shard", pictures, shard=[0, 2]),
                _begun(folder / "begun", pictures),
            ]

    def use(self, folder: Path) -> None:
        draw_pictures(folder)
        maxes = folder / "maxes"
        again = PictureList(NAMES, LABELS, str(folder))
        finished = (
            lambda: look_at(TopImages.load(maxes)),
            lambda: _patches(TopImages.load(maxes), folder),
            lambda: look_at(merge([maxes], folder / "merged", partial=True)),
        )
        how = json.loads((folder / "how.json").read_bytes())
        tried(*(finished if how.pop("finished") else ()), lambda: look_at(_scanned(maxes, again, how)))

    def former_failures(self) -> Mapping[str, Files]:
        whole = self.kept_seeds[0]
        changes: Mapping[str, tuple[Place, Any]] = {
            "layers are a number": (("identity", "layers"), 5),
            "a layer's name is a number": (("identity", "layers", 0, "name"), 5),
            "a layer without units": (("identity", "layers", 0, "shape"), [0, 3, 3]),
            "batches are words": (("batches_done",), ["a", "b"]),
            "batches of three numbers": (("batches_done",), [[0, 1, 2]]),
            "a batch size of 0": (("identity", "batch_size"), 0),
            "no bits": (("identity", "bits"), "many"),
            "skipped is a list": (("skipped",), [1, 2]),
            "limits are missing": (("calibration", "limits"), {}),
            "a limit is not finite": (("calibration", "limits", "fc"), float("nan")),
            "the pictures' folder is a list": (("root",), [[]]),
        }
        found = {what: _changed(whole, *change) for what, change in changes.items()}
        deep = b"[" * 100_000 + b"]" * 100_000
        found["a manifest that is nested deeply"] = {**whole, "maxes/manifest.json": deep}
        found["pictures that are nested deeply"] = {**whole, "maxes/pictures.jsonl": deep}
        arrays = dict(unpacked(whole["maxes/top_images.npz"]))
        for what, name, content in (
            ("an array that claims too much", "top.values.npy", with_header(_CLAIM, b"")),
            ("a header that does not end", "top.values.npy", with_header("{'descr': (", b"")),
            ("an array of another shape", "top.images.npy", npy(np.zeros((2, 3), np.int32))),
            ("an array of another type", "maxima.count.npy", npy(np.zeros(3, "U3"))),
        ):
            found[what] = {**whole, "maxes/top_images.npz": packed([*({**arrays, name: content}).items()])}
        return found


_CLAIM = "{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 1000000), }"


def draw_pictures(folder: Path) -> None:
    """Write the pictures that were scanned."""
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(_drawn(number))


def _drawn(number: int) -> bytes:
    if number not in _DRAWN:
        pixels = np.random.RandomState(number).randint(0, 255, (9, 10, 3), np.uint8)
        _DRAWN[number] = cv2.imencode(".png", pixels)[1].tobytes()
    return _DRAWN[number]


_DRAWN: dict[int, bytes] = {}


def _scanned(folder: Path, pictures: PictureList, how: Mapping[str, Any]) -> TopImages:
    """Scan into a folder, or go on with what is there."""
    return scan(tiny_network(), pictures, out=folder, top=3, batch_size=_BATCH, workers=0, **how)


def _finished(folder: Path, pictures: PictureList, **how: Any) -> Files:
    _scanned(folder, pictures, how)
    return _case(folder, {"finished": True, **how})


def _begun(folder: Path, pictures: PictureList) -> Files:
    """Return the folder of a scan that was killed: a checkpoint of the first two batches."""
    _scanned(folder, pictures, {"shard": [0, 2]})
    result = ResultFolder(folder)
    identity, tally, _ = result.read_tally()
    result.write_checkpoint(identity, tally)
    for name in ("manifest.json", "top_images.npz"):
        (folder / name).unlink()
    return _case(folder, {"finished": False})


def _case(folder: Path, how: Mapping[str, Any]) -> Files:
    """Return a scan's folder as a case; where the pictures are is left out, since it is elsewhere every time."""
    files = {"how.json": json.dumps(how).encode()}
    for name, content in read_case(folder).items():
        if name.endswith(".json"):
            content = json.dumps({**json.loads(content), "root": ""}, indent=2).encode()
        files[f"maxes/{name}"] = content
    return files


def look_at(top: TopImages) -> None:
    """Read everything of a result that a reader may ask for."""
    str((top.paths, top.labels, top.skipped, top.pictures_read, top.is_complete, top.missing))
    for layer in top.layers:
        for ranked in filter(None, (top, top.bottom)):
            [np.array(part[layer]) for part in (ranked.values, ranked.below, ranked.images, ranked.places)]
        tried(
            lambda layer=layer: top.statistics(layer),
            lambda layer=layer: _if_asked(top, "correlations", lambda: top.correlation(layer)),
            lambda layer=layer: _if_asked(top, "statistics", lambda: top.place_statistics(layer)),
        )


def _if_asked(top: TopImages, option: str, ask: Callable[[], object]) -> None:
    if top.manifest["identity"][option]:
        ask()


def _patches(top: TopImages, folder: Path) -> None:
    top.pictures = top.pictures.moved_to(folder)
    units = [Unit(layer, 0) for layer in top.layers[:3]]
    write_patches(tiny_network(), top, units, UnitImageStore(folder / "store"))


def _changed(files: Files, at: Place, value: Any) -> Files:
    return {**files, "maxes/manifest.json": json_with(files["maxes/manifest.json"], at, value)}
