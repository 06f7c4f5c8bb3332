"""What a command sets up for its process, and what imports and `load_network` leave alone, each in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from deepvis_toolbox.process_tuning import keep_freed_memory
from tests.conftest import ROOT

PAGE_FAULTS = """
import resource, sys, threading
import torch
import deepvis_toolbox

how = sys.argv[1]
if how == "tuned":
    deepvis_toolbox.tune_process()
if how == "with a network":
    network = deepvis_toolbox.load_network(device="cpu")
if how == "by a command":
    from deepvis_toolbox.command_line.ending import run_command
    run_command(lambda: 0)

def passes(count):
    for _ in range(count):
        kept = [torch.zeros(megabytes << 18) for megabytes in (40, 3, 70, 9, 20)]

def counted():
    passes(12)  # until the pieces have found their places
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    passes(10)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

counted()
thread = threading.Thread(target=counted)
thread.start()
thread.join()
"""

SETTINGS = """
import json, os, pkgutil, sys, warnings
from importlib import import_module

import cv2, google.protobuf.text_format, h5py, numpy, PIL.Image, pydantic, scipy.ndimage, scipy.stats, skimage.data
import torch.fx, tqdm

def settings():
    return {
        "filters": [repr(entry) for entry in warnings.filters],
        "threads of torch": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "torch": [torch.is_grad_enabled(), str(torch.get_default_dtype()), torch.are_deterministic_algorithms_enabled(),
                  torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()],
        "cv2": [cv2.getNumThreads(), cv2.useOptimized(), cv2.ocl.useOpenCL()],
        "numpy": numpy.geterr(),
        "Pillow": PIL.Image.MAX_IMAGE_PIXELS,
        "path": sys.path, "environment": dict(os.environ),
    }

before = json.dumps(settings())
import deepvis_toolbox
if sys.argv[1] == "imports":
    for module in pkgutil.walk_packages(deepvis_toolbox.__path__, "deepvis_toolbox."):
        if not module.name.endswith("__main__"):  # which is a command
            import_module(module.name)
if sys.argv[1] == "a network":
    deepvis_toolbox.load_network(device="cpu")
if sys.argv[1] == "tuned":
    deepvis_toolbox.tune_process()
print(json.dumps([json.loads(before), json.loads(json.dumps(settings()))]))
"""


def output_of(program: str, argument: str) -> str:
    command = [sys.executable, "-c", program, argument]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


@cache
def page_faults(how: str) -> list[int]:
    return [int(line) for line in output_of(PAGE_FAULTS, how).split()]


needs_glibc = pytest.mark.skipif(
    not keep_freed_memory(), reason="only glibc's allocator gives memory back and can be told not to"
)


@needs_glibc
@pytest.mark.parametrize("how", ["tuned", "by a command"])
def test_a_process_that_is_set_up_takes_the_same_memory_again_in_every_thread(how: str) -> None:
    without = page_faults("as it is")
    assert min(without) > 1_000
    # Once in many processes the system has laid something in the heap's way, which then has to take memory elsewhere.
    tries = [[int(line) for line in output_of(PAGE_FAULTS, how).split()] for _ in range(3)]
    kept = min(tries, key=max)
    assert max(kept) < min(without) / 4
    assert sum(kept) < sum(without) / 10


@needs_glibc
def test_opening_a_network_leaves_the_allocator_as_it_is() -> None:
    assert min(page_faults("with a network")) > min(page_faults("as it is")) / 2


@pytest.mark.parametrize("what", ["imports", "a network"])
def test_imports_and_networks_change_no_setting_of_the_process(what: str) -> None:
    before, after = json.loads(output_of(SETTINGS, what))
    assert after == before


def test_setting_up_the_process_adds_the_filters_of_pillows_remarks_and_nothing_else() -> None:
    before, after = json.loads(output_of(SETTINGS, "tuned"))
    added = [entry for entry in after.pop("filters") if entry not in before["filters"]]
    del before["filters"]
    assert len(added) == 2
    assert after == before


REMARKS = """
import io, sys, warnings
import numpy as np
from PIL import Image
import deepvis_toolbox
from deepvis_toolbox.sources.decode import UnreadablePicture, decode_picture

if sys.argv[1] == "tuned":
    deepvis_toolbox.tune_process()
file = io.BytesIO()
Image.fromarray(np.zeros((9500, 9500), bool)).save(file, "PNG")
with warnings.catch_warnings(record=True) as caught:
    try:
        decode_picture(file.getvalue())
    except UnreadablePicture as refused:
        print(len(caught), "too large" if "pixels" in str(refused) else refused)
"""


@pytest.mark.parametrize(("how", "remarks"), [("tuned", 0), ("as it is", 1)])
def test_pillows_remark_about_a_large_picture_is_not_printed_by_a_command(how: str, remarks: int) -> None:
    assert output_of(REMARKS, how).split(maxsplit=1) == [str(remarks), "too large\n"]
