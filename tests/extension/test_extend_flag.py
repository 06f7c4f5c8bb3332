"""`--extend FILE.py` on every command: listed, obeyed before the help is made, one sentence where it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.extensions import extended, load_extension, load_extensions, loaded_extensions

from .conftest import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_imports_the_file_before_its_help_is_made(users, command: str) -> None:
    users.write("mine.py", "print('imported')\n")
    done = users.run(command, "--extend", "mine.py", "--help")
    assert done.returncode == 0, done.stderr
    imported, shown = done.stdout.split("\n", 1)
    assert imported == "imported"
    assert "\nexamples:\n" in shown
    assert "--extend FILE.py" in shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\ny = = 2\n", "mine.py, line 2: SyntaxError: invalid syntax"),
        ("\n\n1 / 0\n", "mine.py, line 3: ZeroDivisionError: division by zero"),
        ("import nowhere_at_all\n", "mine.py, line 1: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def f():\n    raise SystemExit\n\n\nf()\n", "mine.py, line 2: SystemExit"),
        (
            "from deepvis_toolbox.optimize.method.step_policies import Constant, register_step_policy\n"
            "register_step_policy('constant')(Constant)\n",
            'mine.py, line 2: there is a step policy "constant" already',
        ),
        ("raise ValueError('two\\nlines')\n", "mine.py, line 1: ValueError: two"),
    ],
)
def test_a_file_that_fails_is_one_sentence_with_file_and_line(users, text: str, says: str) -> None:
    users.write("mine.py", text)
    done = users.run("settings.py", "--extend=mine.py")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.parametrize(
    ("file", "says"),
    [("nowhere.py", "does not exist"), (".", "is a folder"), ("a" * 5000, "can be no file"), ("\0", "can be no file")],
)
def test_a_file_that_is_none_is_refused(file: str, says: str) -> None:
    with pytest.raises(ToolboxError, match=says):
        load_extension(file)


def test_a_missing_value_is_for_the_parser_to_tell(users) -> None:
    done = users.run("settings.py", "--extend")
    assert done.returncode == 2
    assert "expected one argument" in done.stderr


def test_files_are_imported_once_in_their_order_and_what_follows_two_dashes_is_no_flag(tmp_path: Path) -> None:
    log = tmp_path / "log"
    files = [tmp_path / f"{name}.py" for name in ("one", "two", "three")]
    for file in files:
        file.write_text(f"with open({str(log)!r}, 'a') as log:\n    log.write('{file.stem} ')\n")
    one, two, three = map(str, files)
    before = set(sys.modules)
    try:
        load_extensions(["--extend", two, "x", f"--extend={one}", "--extend", two, "--", "--extend", three])
        assert log.read_text() == "two one "
        assert loaded_extensions()[-2:] == (two, one)
        assert extended(lambda: 7)() == 7
        assert extended(int).files[-2:] == (two, one)
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


def test_a_call_for_another_process_imports_the_files_there(users) -> None:
    users.write("mine.py", "from deepvis_toolbox.registry import Word\n"
                "from deepvis_toolbox.words.backward import BACKWARD_VIEWS\n"
                "BACKWARD_VIEWS.add('mine', Word('a word of my own'))\n")  # fmt: skip
    users.write("names.py", "from deepvis_toolbox.words.backward import BACKWARD_VIEWS\n\n\n"
                "def names():\n    return list(BACKWARD_VIEWS)\n")  # fmt: skip
    program = """
import json, multiprocessing
from deepvis_toolbox.extensions import extended, load_extension
from names import names
if __name__ == "__main__":
    load_extension("mine.py")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps([pool.apply(names), pool.apply(extended(names))]))
"""
    users.write("program.py", program)
    without, with_it = users.python("import runpy; runpy.run_path('program.py', run_name='__main__')")
    assert with_it == [*without, "mine"]
