"""Regularizers: what is done to the image after each step. One small class each, in a module of its own or several.

`REGULARIZERS` has them all, `active` those in use.
"""

from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.regularizers.registry import (
    REGULARIZERS,
    Regularizer,
    active,
    register_regularizer,
)

__all__ = ["REGULARIZERS", "Parameter", "Regularizer", "active", "register_regularizer"]
