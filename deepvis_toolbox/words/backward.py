"""Backward modes, and the ways to look at what a backward pass brought to the input."""

from __future__ import annotations

from typing import Literal, get_args

BackwardMode = Literal["grad", "deconv", "guided"]
"""`grad`: plain backprop; `deconv`: Zeiler & Fergus 2014; `guided`: Springenberg et al. 2015."""

BACKWARD_MODES: tuple[BackwardMode, ...] = get_args(BackwardMode)

ChosenBackwardMode = Literal["off", "grad", "deconv", "guided"]
"""What a person may choose: a mode, or no backward pass at all."""

BackwardView = Literal["raw", "gray", "norm", "norm blurred"]
"""How the result at the input is shown: `raw`: all channels around mid-grey; `gray`: their mean; `norm`: their
Euclidean norm; `norm blurred`: that norm behind a Gaussian."""

BACKWARD_VIEWS: tuple[BackwardView, ...] = get_args(BackwardView)
