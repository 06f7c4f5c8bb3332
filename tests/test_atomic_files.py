"""Files are whole or not there, and a file that cannot be written is one clear sentence."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from deepvis_toolbox.atomic_files import check_writable, replacing, write_bytes, write_json, write_text
from deepvis_toolbox.errors import ToolboxError


def _written_half(path, error):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_what_is_written_is_there_in_a_new_folder_and_nothing_else(tmp_path):
    write_text(tmp_path / "new" / "folder" / "a.txt", "größe")
    write_bytes(tmp_path / "new" / "folder" / "a.txt", b"second")
    write_json(tmp_path / "b.json", {"a": [1, 2.5]})
    assert (tmp_path / "new" / "folder" / "a.txt").read_bytes() == b"second"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.txt", "b.json"]


def test_a_write_that_fails_midway_leaves_the_former_file_and_no_other(tmp_path):
    write_text(tmp_path / "a.txt", "former")
    with pytest.raises(RuntimeError):
        _written_half(tmp_path / "a.txt", RuntimeError())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["former"]


def test_a_full_disk_is_one_sentence_that_names_the_file(tmp_path):
    with pytest.raises(ToolboxError) as error:
        _written_half(tmp_path / "a.txt", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert (
        str(error.value) == f'cannot write "{tmp_path / "a.txt"}": the disk is full; free some space and run it again'
    )
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_bytes_leaves_nothing_behind(tmp_path):
    script = (
        "import sys; from deepvis_toolbox.atomic_files import write_bytes; "
        "from deepvis_toolbox.command_line.ending import run_command; "
        "sys.exit(run_command(lambda: write_bytes(sys.argv[1], bytes(100_000))))"
    )

    def limit() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    command = [sys.executable, "-c", script, str(tmp_path / "a.bin")]
    root = Path(__file__).resolve().parents[1]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f'error: cannot write "{tmp_path / "a.bin"}"')
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_found_out_beforehand(tmp_path):
    write_text(tmp_path / "file", "x")
    with pytest.raises(ToolboxError, match="is a file, not a folder"):
        check_writable(tmp_path / "file" / "folder")
    check_writable(tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows brings nothing to the disk by a file's name")
def test_a_file_is_brought_to_the_disk_before_it_has_its_name_and_the_name_after_it(tmp_path, monkeypatch):
    happened, replace, fsync = [], Path.replace, os.fsync

    def brought(descriptor):
        happened.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", brought)
    monkeypatch.setattr(Path, "replace", lambda path, to: (happened.append(to), replace(path, to))[1])
    write_text(tmp_path / "a.txt", "whole")
    assert [path.name for path in happened[1:]] == ["a.txt", tmp_path.name]
    assert happened[0].name.endswith(".partial.txt")


def test_a_disk_that_turns_out_to_be_full_at_the_end_leaves_the_former_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "former")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolboxError, match="the disk is full"):
        write_text(tmp_path / "a.txt", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["former"]
