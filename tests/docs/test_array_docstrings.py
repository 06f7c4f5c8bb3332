"""Public functions that take or return arrays say their shape and dtype, or take a type whose name stands for both."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_ARRAY = re.compile(r"NDArray|ndarray|\bTensor\b")
_AXES = r"\((?:[^()]|\([^()]*\))*,(?:[^()]|\([^()]*\))*\)|[A-Z0-9]×"
_SHAPE = re.compile(rf"{_AXES}|\bshapes?\b|\bshaped\b")
_DTYPE = re.compile(
    r"float(16|32|64)|u?int(8|16|32|64)|\bbool\b|dtype"
    r"|\bRGB\b|network values|network's input|zero-centred|\bactivations?\b"  # the project's own words, all defined
)
_AS_ANOTHER = re.compile(r"(Do as|As) (the|`)")


def _trees() -> dict[Path, ast.Module]:
    paths = [path for room in ("deepvis_toolbox", "find_maxes") for path in sorted((ROOT / room).rglob("*.py"))]
    return {path: ast.parse(path.read_text("utf-8")) for path in paths if not path.stem.endswith("_pb2")}


def _says_both(text: str) -> bool:
    return bool(_SHAPE.search(text) and _DTYPE.search(text))


def _names_of_arrays(trees: dict[Path, ast.Module]) -> tuple[set[str], set[str]]:
    """All names for array types, and those whose own text says shape and dtype."""
    names, documented = set(), set()
    for tree in trees.values():
        for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
            if isinstance(node, ast.Assign) and re.match(r"NDArray\[", ast.unparse(node.value)):
                name = ast.unparse(node.targets[0])
                names.add(name)
                told = ast.unparse(after) if isinstance(after, ast.Expr) else ""
                if re.search(_AXES, told) and _DTYPE.search(told):
                    documented.add(name)
    return names, documented


def _public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                    yield f"{node.name}.{member.name}", member


def _written_types(function: ast.FunctionDef) -> str:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    types = [argument.annotation for argument in arguments] + [function.returns]
    return " ".join(ast.unparse(each) for each in types if each is not None)


def test_functions_on_arrays_say_shape_and_dtype() -> None:
    trees = _trees()
    names, documented = _names_of_arrays(trees)
    assert {"Pixels", "RGBImage", "PixelImage"} <= documented
    silent, seen = [], 0
    for path, tree in trees.items():
        for name, function in _public_functions(tree):
            text = ast.get_docstring(function)
            if text is None or _AS_ANOTHER.match(text):  # test_docstrings sees to it that the base is documented
                continue
            types = _written_types(function)
            if _ARRAY.search(types) or any(re.search(rf"\b{each}\b", types) for each in names - documented):
                seen += 1
                if not _says_both(text):
                    silent.append(f"{path.relative_to(ROOT)}:{function.lineno} {name}")
    assert seen > 100
    assert not silent
