"""The data set that a command's flags name."""

from __future__ import annotations

import argparse

from deepvis_toolbox.command_line.talking import note
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.scan.pictures.picture_list import PictureList, list_pictures
from deepvis_toolbox.sources.file_kind import file_kind


def given_pictures(given: argparse.Namespace) -> PictureList:
    """Return the pictures that `--images` and `--list` name, and note what was left out.

    A list after `--images` names pictures beside itself. `ToolboxError` where there is nothing to look at.
    """
    images, listed = given.images, given.list
    path = user_path(images)
    if file_kind(path) == "list":
        if listed:
            raise ToolboxError("--images is a list already; with --list, give the folder that its pictures are in")
        images, listed = str(path.absolute().parent), images
    pictures = list_pictures(images, listed)
    for sentence in pictures.notes:
        note(sentence)
    return pictures
