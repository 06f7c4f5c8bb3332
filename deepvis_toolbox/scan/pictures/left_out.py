"""What a data set leaves out, told by its name: hidden files, and pictures of kinds that are not read. Counted for a
note."""

from __future__ import annotations

from collections import Counter

from deepvis_toolbox.sources.listing import is_picture_name

HIDDEN_PICTURES = "hidden pictures, whose names begin with ., are left out"
HIDDEN_FOLDERS = "hidden folders, whose names begin with ., are left out"
_UNREAD_SUFFIXES = (
    *(".heic", ".heif", ".heics", ".heifs", ".hif", ".jxl", ".jxr", ".jls", ".svg", ".eps", ".ps", ".psd", ".xcf"),
    *(".tga", ".ico", ".exr", ".hdr", ".pcx", ".qoi", ".dds", ".pam", ".pfm", ".sgi", ".ras", ".fits", ".dcm"),
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srw", ".orf", ".rw2", ".raf", ".raw", ".pef"),
)
"""Pictures that people have in such folders and that the reader does not know."""


class LeftOut:
    """Counts what is left out of a folder, an archive or an object store."""

    def __init__(self) -> None:
        self._hidden_pictures = 0
        self._hidden_folders: set[str] = set()
        self._unread: Counter[str] = Counter()

    def hides(self, name: str) -> bool:
        """Return whether a file of an archive, or one of its folders, is hidden; `name` has all of them."""
        *folders, base = [part for part in name.split("/") if part not in ("", ".", "..")] or [""]
        for depth, folder in enumerate(folders, start=1):
            if folder.startswith("."):
                self._hidden_folders.add("/".join(folders[:depth]))
                return True
        self._hidden_pictures += base.startswith(".") and is_picture_name(base)
        return base.startswith(".")

    def does_not_read(self, name: str) -> bool:
        """Return whether this is a picture of a kind that the reader does not know."""
        suffix = next((suffix for suffix in _UNREAD_SUFFIXES if name.lower().endswith(suffix)), None)
        self._unread.update([suffix] if suffix else [])
        return suffix is not None

    def notes(self) -> list[str]:
        """Return what was left out, a sentence each."""
        counts = ((self._hidden_pictures, HIDDEN_PICTURES), (len(self._hidden_folders), HIDDEN_FOLDERS))
        notes = [f"{count} {what}" for count, what in counts if count]
        if self._unread:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in self._unread.most_common())
            notes.append(f"pictures of kinds that are not read here are left out: {kinds}")
        return notes
