"""On which devices the tests run that compare with results from elsewhere: always the CPU, and a GPU where one is."""

from __future__ import annotations

import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
