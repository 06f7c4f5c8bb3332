"""A process that has imported what takes long, and forks one for each job: a real command within milliseconds.

One JSON object a line on stdin: `words` (script or `-m` and module, then arguments), `folder`, `said` (where stdout and
stderr go), `limit` (of a file's size in bytes, or null), `closed` (descriptors below 3). Answers with two lines: the
process's number, and how it ended.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import runpy
import signal
import sys
from typing import Any

import cv2  # noqa: F401
import torch  # noqa: F401

import deepvis_toolbox.live.headless
import deepvis_toolbox.live.toolbox_command
import deepvis_toolbox.opening.downloads.fetch
import deepvis_toolbox.optimize.cli.optimize_command
import deepvis_toolbox.optimize.cli.search_command
import deepvis_toolbox.pipeline.pack
import deepvis_toolbox.pipeline.pipeline_command
import deepvis_toolbox.pipeline.stages
import deepvis_toolbox.scan.cli.crop_command
import deepvis_toolbox.scan.cli.merge_command
import deepvis_toolbox.scan.cli.scan_command
import deepvis_toolbox.scan.scanning
import deepvis_toolbox.settings.settings_command  # noqa: F401

STREAMS = ("stdin", "stdout", "stderr")


def main() -> None:
    """Serve until stdin ends."""
    gc.freeze()  # what is looked at for circles is copied
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        process = os.fork()
        if not process:
            run(job)
            return
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def run(job: dict[str, Any]) -> None:
    """Become the command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):  # also where the tests themselves run under nohup
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    os.chdir(job["folder"])
    said = [os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in job["said"]]
    for descriptor, target in enumerate([os.open(os.devnull, os.O_RDONLY), *said]):
        os.dup2(target, descriptor)
        os.close(target)
    for descriptor in job["closed"]:
        os.close(descriptor)
        for name in (STREAMS[descriptor], f"__{STREAMS[descriptor]}__"):
            setattr(sys, name, None)  # as Python finds them
    if job["limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
    is_module = job["words"][0] == "-m"
    sys.argv = job["words"][is_module:]
    for name in [name for name in sys.modules if name == sys.argv[0]]:
        del sys.modules[name]  # else runpy warns
    runner: Any = runpy.run_module if is_module else runpy.run_path
    status: Any = 0
    try:
        runner(sys.argv[0], run_name="__main__", **({"alter_sys": True} if is_module else {}))
    except SystemExit as ended:
        status = ended.code or 0
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)  # taking all modules down would copy the memory that is shared with the process that forked


if __name__ == "__main__":
    main()
