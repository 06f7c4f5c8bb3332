"""What a network needs to know beside its graph: names, preprocessing, labels, and what its model.yaml says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.words.backward import PLAIN_DECONV, BackwardLook
from deepvis_toolbox.words.unit_image_kinds import MontageLayout


@dataclass(frozen=True)
class UnitImagesDescription:
    """Where the units' pictures are, and how they are laid out there."""

    folder: Path | None = None
    """None where the model.yaml names none; a relative one was meant from the folder of the model.yaml."""
    montage: MontageLayout = "1x1"
    shared: Mapping[str, str] = field(default_factory=dict)
    """{layer: the layer whose pictures it shows}."""
    views: Mapping[str, str] = field(default_factory=dict)
    """{layer: the layer whose pictures it shows while it has none of its own}: found out, for probabilities."""
    looks: tuple[BackwardLook, ...] = (PLAIN_DECONV,)
    """What shows which part of a top image excites the unit; the first makes the montage."""


@dataclass(frozen=True)
class NetworkFiles:
    """The Caffe files that a network was opened from."""

    prototxt: Path
    weights: Path
    mean: Path | None = None
    """None where the mean is given as numbers."""
    labels: Path | None = None


@dataclass(frozen=True)
class ModelDescription:
    """A model.yaml (or flags), read, checked and with everything found out that was left out."""

    name: str
    preprocessing: Preprocessing
    labels: tuple[str, ...] = ()
    label_layers: tuple[str, ...] = ()
    """As written; empty means: find them (the last softmax, and what it is the softmax of)."""
    deconv_passes_lrn: bool = False
    """In deconv mode the signal passes an LRN layer unchanged (`deconv: {lrn: pass}`)."""
    folder: Path | None = None
    """The folder of the model.yaml; None for a network without one."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of preferred images, by the preset's name; the optimizer checks the values of the one that is used."""
    unit_images: UnitImagesDescription = field(default_factory=UnitImagesDescription)
    files: NetworkFiles | None = None
    """None where the network was not opened from Caffe's files."""
    notes: tuple[str, ...] = ()
    """One sentence for each thing in the files that was left out or is worth knowing."""
