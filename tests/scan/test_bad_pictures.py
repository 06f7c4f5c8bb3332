"""Checks that pictures, lists, folders and archives that are broken are reported and never stop a scan."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.pictures.archives import open_archive
from deepvis_toolbox.scan.result_folder import ResultFolder
from find_maxes import TopImages, list_pictures, scan

ROOT = Path(__file__).resolve().parents[2]


def jpeg_bytes(seed: int = 0, mode: str = "RGB") -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (40, 40, len(mode))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise, mode).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def broken_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a_good.jpg").write_bytes(jpeg_bytes())
    (folder / "b_corrupt.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
    (folder / "c_truncated.jpg").write_bytes(jpeg_bytes()[:-400])
    (folder / "d_text.jpg").write_text("this is no picture")
    (folder / "e_cmyk.jpg").write_bytes(jpeg_bytes(mode="CMYK"))
    cv2.imwrite(str(folder / "f_one_pixel.png"), np.full((1, 1, 3), 200, np.uint8))
    cv2.imwrite(str(folder / "g_bomb.png"), np.zeros((20000, 20000), np.uint8))
    (folder / "h_empty.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_pictures_are_skipped_with_their_reason_and_the_rest_is_scanned(small_net, broken_folder, workers):
    top = scan(small_net, list_pictures(broken_folder), layers=["fc"], batch_size=3, workers=workers)
    reasons = {Path(top.paths[index]).name: reason for index, reason in top.skipped.items()}
    assert sorted(reasons) == ["b_corrupt.jpg", "c_truncated.jpg", "d_text.jpg", "g_bomb.png", "h_empty.png"]
    assert "million pixels" in reasons["g_bomb.png"]
    assert all(reasons.values())
    seen = {Path(top.paths[index]).name for index in top.images["fc"].flat if index >= 0}
    assert seen == {"a_good.jpg", "e_cmyk.jpg", "f_one_pixel.png"}
    assert (top.statistics("fc").count == 3).all()


def test_when_nothing_can_be_read_that_is_an_error(small_net, tmp_path):
    (tmp_path / "one.jpg").write_text("no")
    with pytest.raises(ToolboxError, match=r"none of the 1 pictures.*one\.jpg"):
        scan(small_net, list_pictures(tmp_path))


def test_an_empty_or_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ToolboxError, match="holds no pictures"):
        list_pictures(tmp_path)
    with pytest.raises(ToolboxError, match="does not exist"):
        list_pictures(tmp_path / "nowhere")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ToolboxError, match="neither a folder nor"):
        list_pictures(tmp_path / "file.txt")


def test_a_list_gives_order_and_labels_and_its_missing_files_are_skipped(small_net, picture_folder, tmp_path):
    list_file = tmp_path / "list.txt"
    list_file.write_text("007.png 3\nmissing.png 1\n002.png 5\n")
    pictures = list_pictures(picture_folder, list_file)
    assert pictures.names == ("007.png", "missing.png", "002.png")
    assert pictures.labels == (3, 1, 5)
    top = scan(small_net, pictures, layers=["fc"], workers=0)
    assert top.skipped == {1: "no such file"}
    assert top.labels.tolist() == [3, 1, 5]


def test_a_folder_that_may_not_be_read_is_noted_and_the_rest_is_scanned(picture_paths, tmp_path):
    if os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists():
        pytest.skip("root reads everything, and setpriv is missing to be somebody else")
    folder = tmp_path / "pictures"
    (folder / "closed").mkdir(parents=True)
    (folder / "open.png").write_bytes(picture_paths[0].read_bytes())
    (folder / "closed" / "hidden.png").write_bytes(picture_paths[1].read_bytes())
    for path in [folder, *folder.resolve().parents]:
        if path.stat().st_uid == os.geteuid() and path.is_relative_to(tempfile.gettempdir()):
            path.chmod(path.stat().st_mode | 0o555)
    (folder / "closed").chmod(0o000)
    code = f"from find_maxes import list_pictures; l = list_pictures({str(folder)!r}); print(l.names, l.notes)"
    other = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    run = subprocess.run([*other, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    (folder / "closed").chmod(0o755)
    if "Permission denied" in run.stderr and "closed" not in run.stderr:
        pytest.skip("another user cannot run this Python here")
    assert run.stdout.startswith("('open.png',)"), run.stderr
    assert "closed" in run.stdout
    assert "Permission denied" in run.stdout


def test_a_full_disk_is_said_and_costs_no_finished_work(small_net, picture_paths, tmp_path, monkeypatch):
    def full(path, **_):
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    cut = {"workers": 0, "batch_size": 8}
    scan(small_net, picture_paths, layers=["fc"], out=tmp_path / "whole", **cut)
    checkpoints = []
    write = ResultFolder.write_checkpoint
    with monkeypatch.context() as patched:
        patched.setattr(ResultFolder, "write_checkpoint", lambda *a: (write(*a), checkpoints.append(1), fill(patched)))
        fill = lambda patched: patched.setattr("numpy.savez", full)  # noqa: E731 - the disk is full from now on
        with pytest.raises(ToolboxError, match="the disk is full"):
            scan(small_net, picture_paths, layers=["fc"], out=tmp_path / "out", checkpoint_every=8, **cut)
    assert len(checkpoints) == 1
    assert not list((tmp_path / "out").glob(".*"))
    assert ResultFolder(tmp_path / "out").record()["batches_done"] == [[0, 1]]
    scan(small_net, picture_paths, layers=["fc"], out=tmp_path / "out", **cut)
    assert (tmp_path / "out/top_images.npz").read_bytes() == (tmp_path / "whole/top_images.npz").read_bytes()


def add_to_tar(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def test_pictures_in_archives_are_read_in_place_with_labels_as_in_webdataset(small_net, picture_paths, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with tarfile.open(folder / "shard.tar", "w") as archive:
        for number, path in enumerate(picture_paths[:3]):
            add_to_tar(archive, f"s/{number}.png", path.read_bytes())
            add_to_tar(archive, f"s/{number}.cls", str(number + 40).encode())
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(picture_paths[3], "deep/x.png")
    (folder / "single.png").write_bytes(picture_paths[4].read_bytes())
    (folder / "broken.tar").write_bytes(b"not a tar at all" * 100)
    (folder / "packed.tar.gz").write_bytes(b"\x1f\x8b")
    pictures = list_pictures(folder)
    assert pictures.names == (
        "more.zip::deep/x.png",
        "shard.tar::s/0.png",
        "shard.tar::s/1.png",
        "shard.tar::s/2.png",
        "single.png",
    )
    assert pictures.labels == (-1, 40, 41, 42, -1)
    assert any("broken.tar" in note for note in pictures.notes)
    assert any("packed.tar.gz" in note for note in pictures.notes)
    top = scan(small_net, pictures, workers=1)
    plain = scan(small_net, [picture_paths[number] for number in (3, 0, 1, 2, 4)], workers=0)
    for name in top.layers:
        np.testing.assert_array_equal(top.values[name], plain.values[name])
        np.testing.assert_array_equal(top.images[name], plain.images[name])


def test_a_damaged_checkpoint_is_named(small_net, picture_paths, tmp_path):
    (tmp_path / "checkpoint.json").write_text("{")
    with pytest.raises(ToolboxError, match=r"checkpoint\.json"):
        scan(small_net, picture_paths, out=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--images", "/nowhere"], "does not exist"),
        (["--images", ".", "--shard", "3/3"], "is no shard"),
        (["--images", ".", "--shard", "0/3", "--ray"], "does not go with --shard"),
        (["--images", ".", "--model", "nonsuch"], "nonsuch"),
    ],
)
def test_mistakes_on_the_command_line_are_one_sentence_and_status_2(arguments, said, tmp_path):
    command = [sys.executable, "find_maxes/find_max_acts.py", "--model", "efficientnet-lite0", "--out", str(tmp_path)]
    command += [str(picture) if picture != "." else str(tmp_path) for picture in arguments]
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((4, 4, 3), np.uint8))
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def zip_with_damage(path: Path, name: str, compression: int) -> None:
    """A zip with one member, which is damaged in the middle."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(name, "".join(f"{number} and " for number in range(5000)))
        first = archive.infolist()[0]
    packed = bytearray(path.read_bytes())
    middle = first.header_offset + 30 + len(name) + first.compress_size // 3
    packed[middle : middle + first.compress_size // 3] = b"\xff" * (first.compress_size // 3)
    path.write_bytes(bytes(packed))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_member_of_a_zip_is_skipped_with_its_reason(small_net, picture_paths, tmp_path, compression, workers):
    zip_with_damage(tmp_path / "some.zip", "a.png", compression)
    with zipfile.ZipFile(tmp_path / "some.zip", "a") as archive:
        archive.write(picture_paths[0], "b.png")
    top = scan(small_net, list_pictures(tmp_path), layers=["fc"], workers=workers)
    assert list(top.skipped) == [0]
    assert "cannot be taken out of the archive" in top.skipped[0]


def test_a_class_index_of_megabytes_is_not_unpacked_for_each_picture(picture_paths, tmp_path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cls", bytes(100 << 20))
        for number in range(200):
            archive.write(picture_paths[0], f"a.{number}.png")
    started = time.process_time()
    pictures = list_pictures(tmp_path)
    assert time.process_time() - started < 4
    assert set(pictures.labels) == {-1}
    assert "200 class indices cannot be read" in pictures.notes[0]


MEMORY = """
import resource, sys
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.pictures.archives import open_archive, read_member
members = open_archive(__import__("pathlib").Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_member(members, members.names()[0])
except ToolboxError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told in kilobytes on Linux alone")
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("is_link", [False, True])
def test_a_member_unpacks_to_no_more_than_it_says(tmp_path, compression, is_link):
    path = tmp_path / "bomb.zip"
    member = zipfile.ZipInfo("in.zip")
    member.compress_type, member.external_attr = compression, (0o120777 if is_link else 0o100644) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, bytes(200 << 20))
    says = (200 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(says, (1000).to_bytes(4, "little")))
    command = [sys.executable, "-c", MEMORY, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    told, kilobytes = run.stdout.splitlines()
    assert "cannot be taken out of the archive" in told
    assert int(kilobytes) < 100 << 10


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_members_packed_otherwise_are_those_that_zipfile_reads(tmp_path, compression):
    contents = [b"", b"x", bytes(np.random.RandomState(0).randint(0, 4, 100_000, np.uint8)), bytes(1 << 20)]
    with zipfile.ZipFile(tmp_path / "some.zip", "w", compression) as archive:
        for number, content in enumerate(contents):
            archive.writestr(str(number), content)
    members = open_archive(tmp_path / "some.zip")
    assert [members.read(name) for name in members.names()] == contents
    assert members.open("2")[0].read() == contents[2]


def test_class_indices_that_cannot_be_read_are_noted_once_and_the_pictures_have_none(picture_paths, tmp_path):
    path = tmp_path / "some.zip"
    zip_with_damage(path, "0.cls", zipfile.ZIP_DEFLATED)
    texts = {"1": "99999999999999999999999", "2": "cat", "3": "-4", "4": "12\n"}
    with zipfile.ZipFile(path, "a") as archive:
        for number, text in texts.items():
            archive.writestr(f"{number}.cls", text)
        for number in range(6):
            archive.write(picture_paths[number], f"{number}.png")
    pictures = list_pictures(tmp_path)
    assert pictures.labels == (-1, -1, -1, -1, 12, -1)
    (note,) = pictures.notes
    assert "4 class indices cannot be read" in note
    assert "0.png" in note


def test_a_list_above_the_pictures_may_name_them_by_their_whole_paths(small_net, picture_paths, tmp_path):
    (tmp_path / "pics" / "deep").mkdir(parents=True)
    for number, name in enumerate(("pics/a.png", "pics/deep/b.png")):
        (tmp_path / name).write_bytes(picture_paths[number].read_bytes())
    (tmp_path / "list.txt").write_text(f"{tmp_path}/pics/a.png 4\ndeep/b.png 5\n")
    pictures = list_pictures(tmp_path / "pics", tmp_path / "list.txt")
    assert pictures.paths == [str(tmp_path / "pics/a.png"), str(tmp_path / "pics/deep/b.png")]
    assert not scan(small_net, pictures, layers=["fc"], workers=0).skipped


def without_rights_of_root(code: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code as somebody whom permissions bind."""
    rights = "-dac_override,-dac_read_search"
    bound = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"] if os.geteuid() == 0 else []
    if bound and not Path("/usr/bin/setpriv").exists():
        pytest.skip("root reads everything, and setpriv is missing to be bound by permissions")
    return subprocess.run([*bound, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("reading", ["list_pictures({!r})", "TopImages.load({!r})"])
def test_a_folder_in_one_that_may_not_be_entered_is_an_error_with_the_reason(tmp_path, reading):
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o000)
    calling = reading.format(str(closed / "open"))
    code = "from find_maxes import TopImages, list_pictures\nfrom deepvis_toolbox.errors import ToolboxError\n"
    code += f"try: {calling}\nexcept ToolboxError as error: print(error)"
    run = without_rights_of_root(code)
    closed.chmod(0o755)
    assert "cannot be read: Permission denied" in run.stdout, run.stderr


@pytest.mark.parametrize("workers", [-1, 500_000])
def test_a_number_of_workers_that_makes_no_sense_is_refused(small_net, picture_paths, workers):
    with pytest.raises(ToolboxError, match="--workers is 0 to"):
        scan(small_net, picture_paths, workers=workers)


def reverse_lines(path: Path) -> None:
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))


def _without(key):
    def damage(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        del (manifest["identity"] if key == "network" else manifest)[key]
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "pictures.jsonl").write_text(""), "is not the list of this scan"),
        (lambda folder: reverse_lines(folder / "pictures.jsonl"), "is not the list of this scan"),
        (_without("arrays"), '"arrays" is missing'),
        (_without("network"), '"identity.network" is missing'),
    ],
)
def test_a_damaged_result_is_an_error_that_says_what_is_wrong(small_net, picture_paths, tmp_path, damage, said):
    scan(small_net, picture_paths[:3], layers=["fc"], out=tmp_path, workers=0)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    damage(tmp_path)
    with pytest.raises(ToolboxError, match=said):
        TopImages.load(tmp_path)
    if "list" in said:  # the same scan mends it
        scan(small_net, picture_paths[:3], layers=["fc"], out=tmp_path, workers=0)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
