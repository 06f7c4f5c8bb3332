"""What a network needs to know beside its graph: names, preprocessing, labels, and the model.yaml's other sections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deepvis_toolbox.network.preprocessing import Preprocessing


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
    settings: dict[str, Any] = field(default_factory=dict)
    """The other sections (`presets`, `unit_images`, `settings`, `fetch`) and `folder`, the model's own."""
