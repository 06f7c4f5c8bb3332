"""What the program remembers for itself: which folders are trusted, which files were fetched."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from deepvis_toolbox.opening.downloads.file_hashes import FileHashes, HashRecord
from deepvis_toolbox.opening.trust import is_trusted, trust, trusted_folders
from tests.fuzz.harness import Files, Harness, harness, quietly, tried

_MODEL = b"framework: torch\nfactory: net:make\n"
_FETCHED = {"a.tar": {"sha256": "ab" * 32, "bytes": 5, "unpacked": True}, "b": {"sha256": "cd" * 32, "bytes": 6}}
_HASHES = FileHashes(5, "ef" * 20, "ab" * 32)


@harness("trusted")
class Trusted(Harness):
    """The folders that were trusted once (`trusted.json`)."""

    targets = ("trusted.json",)

    def seeds(self) -> list[Files]:
        known = [{}, {"/somewhere/else": "ab" * 32, "model": "cd" * 32}, {"ab" * 32: "/somewhere/else"}]
        beside = {"model/model.yaml": _MODEL, "model/net.py": b"def make(): pass\n"}
        return [{"deepvis-toolbox/trusted.json": json.dumps(one).encode(), **beside} for one in known]

    def use(self, folder: Path) -> None:
        former, os.environ["XDG_CONFIG_HOME"] = os.environ.get("XDG_CONFIG_HOME", ""), str(folder)
        try:
            if is_trusted(folder / "model"):
                raise AssertionError("a folder is trusted that nobody has trusted")
            str(trusted_folders())
            trust(folder / "model")
            if not is_trusted(folder / "model"):
                raise AssertionError("a folder is not trusted that was trusted just now")
        finally:
            os.environ["XDG_CONFIG_HOME"] = former

    def former_failures(self) -> Mapping[str, Files]:
        places = {"a null character": "a\0b", "no UTF-8": "\ud800", "a name that is too long": "x" * 70_000}
        name = "deepvis-toolbox/trusted.json"
        return {
            f"{what}, {way}": {**self.kept_seeds[0], name: json.dumps(known).encode()}
            for what, place in places.items()
            for way, known in (("now", {place: "ab" * 32}), ("formerly", {"ab" * 32: place}))
        }


@harness("hashes")
class Fetched(Harness):
    """The hashes of files that were fetched (`fetched/hashes.json`)."""

    def seeds(self) -> list[Files]:
        return [{"hashes.json": json.dumps(known, indent=2).encode()} for known in (_FETCHED, {})]

    def use(self, folder: Path) -> None:
        record = HashRecord(folder / "hashes.json")
        tried(
            *(lambda name=name: record.check(name, _HASHES) for name in ("a.tar", "c")),
            lambda: quietly(lambda: record.check("b", _HASHES)),
            lambda: (record.knows("a.tar"), record.is_unpacked("a.tar"), record.is_unpacked("b")),
            lambda: record.note("c", _HASHES, is_unpacked=False),
        )

    def former_failures(self) -> Mapping[str, Files]:
        contents = {
            "nested deeply": b"[" * 100_000,
            "a number that JSON does not know": b'{"a": {"sha256": "ab", "bytes": NaN}}',
            "a number larger than any": b'{"a": {"sha256": "ab", "bytes": 1e999}}',
        }
        return {what: {"hashes.json": content} for what, content in contents.items()}
