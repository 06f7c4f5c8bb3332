"""`--fetch NAME`: gets the files that a model.yaml lists, checks them, and unpacks archives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.folder_lock import FolderLock, remove_left_lock
from deepvis_toolbox.opening.downloads.fetch_archive import BrokenArchiveError, unpack
from deepvis_toolbox.opening.downloads.fetch_download import Download
from deepvis_toolbox.opening.downloads.fetch_hashes import check_file
from deepvis_toolbox.opening.downloads.fetch_places import check_ways, place_inside, place_of_record
from deepvis_toolbox.opening.downloads.file_hashes import FileHashes, HashRecord
from deepvis_toolbox.opening.model_file import FetchItem, read_model_file
from deepvis_toolbox.opening.model_folder import model_path
from deepvis_toolbox.progress import Say
from deepvis_toolbox.shown_text import without_secrets


@dataclass(frozen=True)
class _Wanted:
    """One file to have: where it goes, where it comes from, and what it must be."""

    item: FetchItem
    name: str
    """As the model.yaml says, with its folders."""
    path: Path
    unpacked: Path | None

    @property
    def addresses(self) -> Sequence[str]:
        return (self.item.url, *self.item.mirrors)


def fetch_model(name: str, say: Say = print) -> None:
    """Get every file of a model: a folder of models/, or the path of a model.yaml. What is there already is checked.

    Raises `ToolboxError` that says for each file that could not be had why, and what to do by hand; the others are
    fetched all the same. A download that was broken off goes on where it stopped.
    """
    model = read_model_file(model_path(name))
    if not model.fetch:
        raise ToolboxError(
            f'the model "{model.title}" has no files to fetch; it is complete, or its model.yaml lists none'
        )
    wanted = [_wanted(item, model.folder) for item in model.fetch]
    record_place = place_of_record(model.folder)
    failures = []
    is_settled = _is_settled(wanted, HashRecord(record_place))
    if is_settled:
        remove_left_lock(model.folder)
    with nullcontext() if is_settled else FolderLock(model.folder):
        record = HashRecord(record_place)  # not before the lock: another run may have written it meanwhile
        for one in wanted:
            try:
                _get(one, record, say)
            except ToolboxError as error:
                failures.append(str(error))
                say(f"{one.name}: not fetched")
    if failures:
        raise ToolboxError("; ".join(failures))


def _wanted(item: FetchItem, folder: Path) -> _Wanted:
    address = without_secrets(item.url)
    try:
        name = item.file or unquote(urlsplit(item.url).path).rpartition("/")[2]
    except ValueError as error:
        raise ToolboxError(f'the address "{address}" in the model.yaml is none ({reason_of(error)})') from None
    if not name or name in (".", ".."):
        raise ToolboxError(
            f'the address "{address}" does not end in a file name; write file: NAME beside it in the model.yaml'
        )
    unpacked = place_inside(folder, item.unpack) if item.unpack else None
    if unpacked:
        check_ways(folder, unpacked)
    return _Wanted(item, name, place_inside(folder, f"fetched/{name}" if unpacked else name), unpacked)


def _is_settled(wanted: Sequence[_Wanted], record: HashRecord) -> bool:
    """Return whether nothing will be written: no lock is needed then, nor a folder that may be written to."""
    return all(
        _is_unpacked(one, record) or (not one.unpacked and record.knows(one.name) and os.path.lexists(one.path))
        for one in wanted
    )


def _is_unpacked(wanted: _Wanted, record: HashRecord) -> bool:
    return wanted.unpacked is not None and record.is_unpacked(wanted.name) and wanted.unpacked.is_dir()


def _get(wanted: _Wanted, record: HashRecord, say: Say) -> None:
    """Make sure that the file is there and is the right one; unpack it where it is an archive."""
    if _is_unpacked(wanted, record):
        say(f"{wanted.name}: already unpacked in {wanted.unpacked}")
        return
    was_here = os.path.lexists(wanted.path)  # whatever it is: it is the user's
    hashes = _check_present(wanted, record, say) if was_here else _download(wanted, record, say)
    if wanted.unpacked:
        count = _unpack(wanted, wanted.unpacked, was_here)
        say(f"{wanted.name}: {count} files unpacked in {wanted.unpacked}")
    # Not before an archive is known to be whole: from now on no other file is taken.
    record.note(wanted.name, hashes, is_unpacked=wanted.unpacked is not None)
    if wanted.unpacked and not was_here:
        wanted.path.unlink()


def _unpack(wanted: _Wanted, folder: Path, was_here: bool) -> int:
    """Unpack the archive. A broken one that was fetched just now is removed; what a user put there never is."""
    try:
        return unpack(wanted.path, folder)
    except BrokenArchiveError as error:
        if was_here:
            raise ToolboxError(f"{error}; remove it and run --fetch again") from None
        wanted.path.unlink()
        raise ToolboxError(f"{error}; it was removed, run --fetch again") from None


def _check_present(wanted: _Wanted, record: HashRecord, say: Say) -> FileHashes:
    try:
        hashes = check_file(wanted.path, wanted.item)
        record.check(wanted.name, hashes)
    except ToolboxError as error:
        raise ToolboxError(f"{wanted.path}: {error}; move it away and run --fetch again") from None
    say(f"{wanted.name}: already here")
    return hashes


def _download(wanted: _Wanted, record: HashRecord, say: Say) -> FileHashes:
    """Try the addresses in turn until one gives the right file."""
    failures = []
    for address in wanted.addresses:
        try:
            hashes = _downloaded(address, wanted, record, say)
        except ToolboxError as error:
            failures.append(f"{without_secrets(address)}: {error}")
            continue
        say(f"{wanted.name}: fetched, SHA-256 {hashes.sha256}")
        return hashes
    raise ToolboxError(
        f"{wanted.name} could not be fetched ({'; '.join(failures)}); get it by hand, put it at {wanted.path}, "
        "and run --fetch again to check it"
    )


def _downloaded(address: str, wanted: _Wanted, record: HashRecord, say: Say) -> FileHashes:
    """Return the file from one address, checked and in its place."""
    item = wanted.item
    download = Download(address, wanted.path, item.bytes, is_published=bool(item.sha1 or item.sha256))
    partial = download.run(say)
    try:
        hashes = check_file(partial, item)
        record.check(wanted.name, hashes)
    except ToolboxError:  # it is whole, and wrong: the next try starts anew
        download.forget()
        raise
    download.finish()
    return hashes
