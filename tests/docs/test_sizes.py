"""Modules that can be read in one go: at most 300 lines, functions 40 beside their docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES_A_MODULE, LINES_A_FUNCTION = 300, 40


def _modules() -> Iterator[Path]:
    for room in ("deepvis_toolbox", "find_maxes"):
        yield from (path for path in sorted((ROOT / room).rglob("*.py")) if not path.stem.endswith("_pb2"))


def test_modules_and_functions_are_short() -> None:
    long = []
    for path in _modules():
        text = path.read_text("utf-8")
        if text.count("\n") > LINES_A_MODULE:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                docstring = ast.get_docstring(node)
                lines = node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)
                if lines > LINES_A_FUNCTION:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert not long
