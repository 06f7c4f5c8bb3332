"""`--fetch NAME`: gets the files that a model.yaml lists, checks them, and unpacks archives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deepvis_toolbox.caffe.fetch_archive import unpack
from deepvis_toolbox.caffe.fetch_download import Download
from deepvis_toolbox.caffe.fetch_hashes import FileHashes, HashRecord, check_file
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.model_file import FetchItem, read_model_file
from deepvis_toolbox.network.model_folder import model_path

Say = Callable[[str], None]

RECORD = "fetched/hashes.json"
"""Beside the model.yaml: the hashes of what was fetched, compared when there is no published one."""


@dataclass(frozen=True)
class _Wanted:
    """One file to have: where it goes, where it comes from, and what it must be."""

    item: FetchItem
    path: Path
    unpacked: Path | None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def addresses(self) -> Sequence[str]:
        return (self.item.url, *self.item.mirrors)


def fetch_model(name: str, say: Say = print) -> None:
    """Gets every file of a model: a folder of models/, or the path of a model.yaml. What is there already is checked.

    Raises `ToolboxError` that says for each file that could not be had why, and what to do by hand; the others are
    fetched all the same. A download that was broken off goes on where it stopped.
    """
    model = read_model_file(model_path(name))
    if not model.fetch:
        raise ToolboxError(
            f'the model "{model.title}" has no files to fetch; it is complete, or its model.yaml lists none'
        )
    wanted = [_wanted(item, model.folder) for item in model.fetch]
    record = HashRecord(model.folder / RECORD)
    failures = []
    for one in wanted:
        try:
            _get(one, record, say)
        except ToolboxError as error:
            failures.append(str(error))
            say(f"{one.name}: not fetched")
    if failures:
        raise ToolboxError("; ".join(failures))


def _wanted(item: FetchItem, folder: Path) -> _Wanted:
    name = item.file or unquote(urlsplit(item.url).path).rpartition("/")[2]
    if not name or name in (".", ".."):
        raise ToolboxError(
            f'the address "{item.url}" does not end in a file name; write file: NAME beside it in the model.yaml'
        )
    unpacked = _inside(folder, item.unpack) if item.unpack else None
    return _Wanted(item, _inside(folder, f"fetched/{name}" if unpacked else name), unpacked)


def _inside(folder: Path, relative: str) -> Path:
    """A path below the model's folder; a model.yaml may not write anywhere else."""
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ToolboxError(f'the model.yaml in {folder} asks to write "{relative}", which lies outside its folder')
    return path


def _get(wanted: _Wanted, record: HashRecord, say: Say) -> None:
    """Makes sure that the file is there and is the right one; unpacks it where it is an archive."""
    if wanted.unpacked and record.is_unpacked(wanted.name) and wanted.unpacked.is_dir():
        say(f"{wanted.name}: already unpacked in {wanted.unpacked}")
        return
    if wanted.path.is_file():
        _check_present(wanted, record)
        say(f"{wanted.name}: already here")
    else:
        _download(wanted, record, say)
    if wanted.unpacked:
        count = unpack(wanted.path, wanted.unpacked)
        record.note_unpacked(wanted.name)
        wanted.path.unlink()
        say(f"{wanted.name}: {count} files unpacked in {wanted.unpacked}")


def _check_present(wanted: _Wanted, record: HashRecord) -> None:
    try:
        record.check(wanted.name, check_file(wanted.path, wanted.item))
    except ToolboxError as error:
        raise ToolboxError(f"{wanted.path}: {error}; move it away and run --fetch again") from None


def _download(wanted: _Wanted, record: HashRecord, say: Say) -> None:
    """Tries the addresses in turn until one gives the right file."""
    failures = []
    for address in wanted.addresses:
        try:
            hashes = _downloaded(address, wanted, record, say)
        except ToolboxError as error:
            failures.append(f"{address}: {error}")
            continue
        say(f"{wanted.name}: fetched, SHA-256 {hashes.sha256}")
        return
    raise ToolboxError(
        f"{wanted.name} could not be fetched ({'; '.join(failures)}); get it by hand, put it at {wanted.path}, "
        "and run --fetch again to check it"
    )


def _downloaded(address: str, wanted: _Wanted, record: HashRecord, say: Say) -> FileHashes:
    """The file from one address, checked and in its place."""
    download = Download(address, wanted.path, wanted.item.bytes)
    partial = download.run(say)
    try:
        hashes = check_file(partial, wanted.item)
        record.check(wanted.name, hashes)
    except ToolboxError:  # it is whole, and wrong: the next try starts anew
        download.forget()
        raise
    download.finish()
    return hashes
