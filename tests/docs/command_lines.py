"""Command lines out of the documentation, held against the real parser of the real program without running it."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import runpy
import shlex
import sys
import tomllib
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT

PYTHONS = ("python", "python3", ".venv/bin/python")
OTHER_PROGRAMS = ("pip", "git", "cd", "sudo", "apt-get", "pre-commit", "export")
"""Programs that are not ours: their lines are read by the shell's rules and no further."""

INSTALLED = {
    "deepvis": "deepvis_toolbox.programs:window",
    "deepvis-optimize": "deepvis_toolbox.programs:optimize",
    "deepvis-scan": "deepvis_toolbox.programs:scan",
    "deepvis-crop": "deepvis_toolbox.programs:crop",
    "deepvis-merge": "deepvis_toolbox.programs:merge",
    "deepvis-settings": "deepvis_toolbox.programs:settings",
}
"""The installed commands; what pyproject.toml says of them goes before."""

READERS_OWN = {
    "deploy.prototxt", "net.caffemodel", "mean.npy", "names.txt", "my-net", "my_model", "photos", "pictures", "small",
    "cat.jpg", "cat.png", "photo.jpg", "w.npy", "train.txt", "bucket", "imagenet", "zebra_less_sorrel.npy",
}  # fmt: skip
"""Names of the reader's own files and folders in examples, besides names in CAPITALS."""

_RESULTS = ("--out", "--output", "--output-prefix", "--snapshot", "--record", "--video", "--save-model", "--store")
"""Flags whose value is written, so that it need not be there."""


class _ParsedError(BaseException):
    """The program has got as far as its parser: the arguments are right. No program catches it."""


def is_command(line: str) -> bool:
    """Whether a line is one for a shell, and not a file's name or a listing."""
    first = (line.split() or [""])[0]
    return first in (*PYTHONS, "make", *OTHER_PROGRAMS, *_installed()) or (
        first.startswith("scripts/") and first.endswith(".sh")
    )


def commands_in(text: str) -> list[str]:
    """The command lines of a block, without comments, with continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]


def check_command(line: str) -> None:
    """Fails with the reason where the line cannot be run as it stands."""
    words = shlex.split(line.replace("$SLURM_ARRAY_TASK_ID", "3"), comments=True)
    if "--extend" in words:
        return  # what the file adds must be there to be parsed: tests/extension/test_contributing.py runs these
    for redirection in (">", "|", "&&"):
        if redirection in words:
            at = words.index(redirection)
            if redirection != ">":
                check_command(shlex.join(words[at + 1 :]))
            words = words[:at]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    program, arguments = words[0], words[1:]
    if program in PYTHONS:
        _check_python(arguments)
    elif program == "make":
        _check_make(arguments)
    elif program.endswith(".sh"):
        assert (ROOT / program).is_file(), f"there is no {program}"
    elif Path(program).name == "pip":
        _check_extras(arguments)
    elif program in _installed():
        _parse(_installed()[program], [program, *arguments])
        _check_files(arguments)
    else:
        assert program in OTHER_PROGRAMS, f"{program}: no program that the documentation may use"


def _installed() -> dict[str, str]:
    return {**INSTALLED, **_project().get("scripts", {})}


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def _check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        if arguments[1].partition(".")[0] == "deepvis_toolbox":
            _parse(arguments[1], arguments[1:])
            _check_files(arguments[2:])
        return
    if arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
        return
    script = ROOT / arguments[0]
    assert script.is_file(), f"there is no program {arguments[0]}"
    _parse(script, arguments)
    _check_files(arguments[1:])


def _check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for word in arguments:
        name, equals, value = word.partition("=")
        if equals:
            assert f"$({name})" in makefile, f"the Makefile has no variable {name}"
            if name == "ARGS" and "run" in arguments:
                _check_python(["run_toolbox.py", *shlex.split(value)])
        else:
            assert re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE), f"the Makefile has no target {word}"


def _check_extras(arguments: list[str]) -> None:
    for word in arguments:
        named = re.fullmatch(r"(?:deepvis-toolbox|\.)\[([\w,-]+)\]", word)
        for extra in named[1].split(",") if named else ():
            assert extra in _project()["optional-dependencies"], f"there is no extra called {extra}"


def _check_files(arguments: list[str]) -> None:
    """What looks like a file is there, is written by the command, or is plainly the reader's own."""
    for before, word in zip(["", *arguments], arguments, strict=False):
        looks_like_file = re.fullmatch(r"[\w./~-]+\.[a-z]\w{1,9}|[\w.~/-]+/", word)
        if not looks_like_file or before in _RESULTS or (ROOT / word).exists():
            continue
        name = Path(word).name
        assert name in READERS_OWN or Path(name).stem.isupper() or word.startswith(("maxes", "unit_images")), (
            f"there is no {word}, and its name does not say that it is the reader's own (CAPITALS)"
        )


def _parse(program: str | Path, words: list[str]) -> None:
    """Runs the program with these words as far as its parser. `program`: a script, a module, or module:function."""
    errors = io.StringIO()
    ways = {name: getattr(argparse.ArgumentParser, name) for name in ("parse_args", "parse_intermixed_args")}

    def stopping(way: Callable[..., Any]) -> Callable[..., Any]:
        def parse_and_stop(self: argparse.ArgumentParser, *args: Any, **options: Any) -> Any:
            way(self, *args, **options)
            raise _ParsedError

        return parse_and_stop

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(errors), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # runpy's, of modules that are imported already
        for name, way in ways.items():
            patch.setattr(argparse.ArgumentParser, name, stopping(way))
        patch.setattr(sys, "argv", list(words))
        try:
            _run(program, patch)
        except _ParsedError:
            return
        except SystemExit as ended:
            said = errors.getvalue().strip()
            asks_for_more = "required" in said or "Without arguments nothing is made" in said
            if len(words) == 1 and asks_for_more:  # a sentence names the program, without its arguments
                return
            pytest.fail(f"status {ended.code}: {said.splitlines()[-1:]}")
    pytest.fail("the program never read its arguments")


def _run(program: str | Path, patch: pytest.MonkeyPatch) -> None:
    if isinstance(program, Path):
        patch.syspath_prepend(program.parent)
        runpy.run_path(str(program), run_name="__main__")
    elif ":" in program:
        module, _, function = program.partition(":")
        getattr(import_module(module), function)()
    else:
        runpy.run_module(program, run_name="__main__")
