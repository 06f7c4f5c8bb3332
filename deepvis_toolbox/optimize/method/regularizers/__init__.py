"""Regularizers: what is done to the image after each step. One small class each; `active` lists those in use."""

from deepvis_toolbox.optimize.method.regularizers import (  # importing a module enters its regularizers
    blur,
    contributions,
    decay,
    small_norms,
    small_values,
    total_variation,
)
from deepvis_toolbox.optimize.method.regularizers.registry import (
    REGULARIZERS,
    Regularizer,
    active,
    register_regularizer,
)

__all__ = [
    "REGULARIZERS",
    "Regularizer",
    "active",
    "blur",
    "contributions",
    "decay",
    "register_regularizer",
    "small_norms",
    "small_values",
    "total_variation",
]
