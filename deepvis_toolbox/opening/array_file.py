"""Arrays in NumPy's files, which may come from anybody: mapped, so that no memory is taken before they are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of, shown_path
from deepvis_toolbox.regular_file import open_regular


def mapped_array(path: Path) -> NDArray[Any]:
    """Return the array in a .npy file, of any shape and of any dtype but objects; its values are read when they are
    used.

    `ToolboxError` that names the file where it is missing, or not one array of NumPy.
    """
    name = shown_path(path)
    try:
        open_regular(path).close()
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ToolboxError(f"there is no file {name}") from None
    except OSError as error:
        raise ToolboxError(f"{name} cannot be read: {os_reason_of(error)}") from None
    except Exception as error:  # a broken header makes NumPy fail in ways that it does not document
        raise ToolboxError(f"{name} is not an array of NumPy: {reason_of(error)}") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise ToolboxError(f"{name} is not one array of NumPy")
    return array
