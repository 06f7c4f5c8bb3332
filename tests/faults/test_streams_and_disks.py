"""Closed streams, and disks that are full: nothing goes into a wrong file, and no half of a file stays."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import Undisturbed, Warm, left_in, unlike
from .programs import JOBS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX streams and limits")

WRITING = [name for name, job in JOBS.items() if not job.is_asking]
GOES_ON = (".weights.pt.partial", ".weights.pt.partial.json")
"""The beginning of a download, which the next run goes on with."""
TELLS_HOW_FAR = {"contact_sheet.html", "built.json", "regularized_opt/numbers.json"}
"""Files that are written anew with each part of the work."""
CLOSED = [(name, (0, 1, 2)) for name in JOBS]
CLOSED += [(name, (number,)) for name in ("window", "optimize", "scan with workers") for number in (0, 1, 2)]


@pytest.mark.parametrize(("name", "closed"), CLOSED, ids=lambda value: str(value).strip("(),"))
def test_with_closed_streams_the_results_are_the_same(
    name: str, closed: tuple[int, ...], warm: Warm, undisturbed: Undisturbed
) -> None:
    out = warm.workplace.place(JOBS[name])
    ended = warm.run(JOBS[name], out, closed=closed)
    assert ended.status == 0, ended.err
    if out.exists():
        assert set(left_in(out)) == set(undisturbed[name].files)
        assert not (JOBS[name].is_repeatable and unlike(left_in(out), undisturbed[name].files))
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", ["optimize", "scan with workers", "settings"])
def test_started_with_all_streams_closed_a_real_process_does_its_work(
    name: str, warm: Warm, undisturbed: Undisturbed
) -> None:
    out = warm.workplace.place(JOBS[name])
    words = [sys.executable, *warm.workplace.words(JOBS[name], out)]
    script = '"$@" <&- >&- 2>&-'
    ended = subprocess.run(["/bin/sh", "-c", script, "sh", *words], env=warm.workplace.environment, check=False)
    assert ended.returncode == 0
    assert (left_in(out) if out.exists() else {}) == undisturbed[name].files


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("name", JOBS)
def test_with_full_standard_output_and_error_the_work_is_done_and_the_status_says_so(
    name: str, warm: Warm, undisturbed: Undisturbed
) -> None:
    out = warm.workplace.place(JOBS[name])
    ended = warm.run(JOBS[name], out, said="/dev/full")
    assert ended.status == (2 if undisturbed[name].ended.out else 0)
    assert set(left_in(out) if out.exists() else {}) == set(undisturbed[name].files)


@pytest.mark.parametrize("name", WRITING)
def test_where_no_large_file_can_be_written_it_is_an_error_and_nothing_half_is_left(
    name: str, warm: Warm, undisturbed: Undisturbed
) -> None:
    job, whole = JOBS[name], undisturbed[name].files
    out = warm.workplace.place(job)
    ended = warm.run(job, out, limit=max(map(len, whole.values())) - 1)
    refused(ended.status, ended.err)
    only_whole_files(left_in(out), whole, job.is_repeatable)
    assert warm.run(job, out).status == 0
    assert set(left_in(out)) == set(whole)
    assert not (job.is_repeatable and unlike(left_in(out), whole))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", WRITING)
def test_on_a_full_disk_it_is_an_error_that_says_so_and_with_room_it_goes_on(
    name: str, warm: Warm, undisturbed: Undisturbed, small_disk: Path
) -> None:
    job, whole = JOBS[name], undisturbed[name].files
    out = small_disk / "out"
    warm.workplace.prepare(job, out)
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, filler.stat().st_size - sum(map(len, whole.values())) // 2 // 4096 * 4096)
    ended = warm.run(job, out)
    refused(ended.status, ended.err)
    assert re.search("disk .*(is full|lacks .* free some space)", ended.err)
    only_whole_files(left_in(out) if out.exists() else {}, whole, job.is_repeatable)
    filler.unlink()
    assert warm.run(job, out).status == 0
    assert set(left_in(out)) == set(whole)
    assert not (job.is_repeatable and unlike(left_in(out), whole))


def refused(status: int, err: str) -> None:
    assert "Traceback" not in err
    assert status == 2, err
    assert "error: " in err


def only_whole_files(left: dict[str, bytes], whole: dict[str, bytes], is_repeatable: bool) -> None:
    """No file that a whole run does not leave, nor another content but of what tells how far a run has come."""
    assert [name for name in left if (".partial" in name or ".probe" in name) and name not in GOES_ON] == []
    if is_repeatable:
        shared = {name: data for name, data in left.items() if name in whole}
        assert {name for name, data in shared.items() if data != whole[name]} <= TELLS_HOW_FAR
