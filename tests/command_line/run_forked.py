"""Runs commands many times, each in a fork of a process that has imported everything; prints what came of them.

Standard input is JSON, a list of [module of the command, its arguments]; standard output one of [exit status, what was
said].
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback

SECONDS = 20


def forked(command, arguments: list[str]) -> tuple[int, str]:
    from deepvis_toolbox.command_line.ending import run_command

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        try:
            status = run_command(lambda: command.main(arguments))
        except BaseException:
            traceback.print_exc()
            status = 99
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)  # threads do not live on in a fork
    for needed in ("live.headless", "live.start", "opening.loading", "scan.scanning", "caffe.graph"):
        importlib.import_module(f"deepvis_toolbox.{needed}")
    print(json.dumps([forked(importlib.import_module(module), given) for module, given in json.load(sys.stdin)]))
