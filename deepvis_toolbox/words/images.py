"""The one name for pictures as arrays, and for arrays of single precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RGBImage = NDArray[np.uint8]
"""One picture to look at: RGB, uint8, 0 to 255, H×W×3."""

Floats = NDArray[np.float32]
"""Numbers as networks compute them: float32, of any shape."""

Frame = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""What a network is shown, H×W×bands: one picture, RGB uint8; several of them, one behind the other; or a band for each
channel of its input, in numbers of any of these types."""
