"""Exported programs of PyTorch (.pt2) from anybody: read into a graph, without running what the file brings."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.network.graph_paths import move_clashing
from deepvis_toolbox.opening.model_values import LARGEST_SIDE
from deepvis_toolbox.opening.program_archive import PATH, ProgramArchive, read_archive
from deepvis_toolbox.opening.program_operations import TYPES, argument, operation_named
from deepvis_toolbox.words.input_channels import MOST_CHANNELS

MOST_NODES = 200_000
_MOST_PARTS_INSIDE = 20

_IN_PARTS = {"torch.ops.higher_order.wrap_with_set_grad_enabled": 1, "torch.ops.higher_order.wrap_with_autocast": 4}
"""Operations that run a part of a program in another way: where among their arguments the part stands."""


@dataclass(frozen=True)
class ProgramFile:
    """A program as it is in the file: one image in, over modules that hold its tensors."""

    module: fx.GraphModule
    image_shape: tuple[int | None, int, int | None, int | None]
    """(N, C, H, W) of the images that it was exported for; None where any will do. C counts those of all pictures."""
    pictures: Mapping[str, int]
    """How many channels each picture has that it takes, by the name of the input."""
    told: list[str]
    """What is said of its numbers, which are computed in float32."""


def read_program(path: Path) -> ProgramFile:
    """Read a .pt2 file. Raises `ToolboxError`, one sentence, where it is broken, too large, keeps anything that only
    pickle can read, names an operation that is not known, or takes something else than images."""
    archive = read_archive(path)
    try:
        return _Building(archive).program()
    except ToolboxError as error:
        raise ToolboxError(f"{path}: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {reason_of(error)}"
        raise ToolboxError(f"{path} is no exported program that can be read ({reason})") from None


class _Building:
    """Builds the graph node by node."""

    def __init__(self, archive: ProgramArchive) -> None:
        self._archive = archive
        self._root, self._graph = nn.Module(), fx.Graph()
        self._known: dict[str, Any] = {}
        self._count = 0
        self._pictures: dict[str, int] = {}
        self._converted: set[torch.dtype] = set()
        """The kinds of numbers that float32 takes the place of."""

    def program(self) -> ProgramFile:
        described = self._archive.program["graph_module"]
        graph, signature = described["graph"], described["signature"]
        self._converted = {each.dtype for each in _floats_of(self._archive)} - {torch.float32}
        shape = self._enter_inputs(signature["input_specs"], graph["tensor_values"])
        self._add(graph, self._known, {}, 0)
        specs = [spec["user_output"]["arg"] for spec in signature["output_specs"] if "user_output" in spec]
        given = [argument(spec, self._known) for spec in specs if "as_tensor" in spec]
        self._graph.output(tuple(given))
        for node in reversed(list(self._graph.nodes)):
            if node.target is operator.getitem and not node.users:  # of what an operation gives besides
                self._graph.erase_node(node)
        move_clashing(self._graph, self._root)
        self._graph.lint()
        others = " and ".join(sorted(str(each).removeprefix("torch.") for each in self._converted))
        told = [f"its numbers are {others}; they are computed in float32"] if others else []
        return ProgramFile(fx.GraphModule(self._root, self._graph), shape, self._pictures, told)

    def _enter_inputs(self, specs: Any, values: Any) -> tuple[int | None, int, int | None, int | None]:
        images = []
        for spec in specs:
            ((kind, given),) = spec.items()
            if kind in ("parameter", "buffer", "tensor_constant"):
                self._enter_tensor(given["arg"]["name"], given[f"{kind}_name"], kind)
            elif kind == "constant_input":
                ((_, value),) = given["value"].items()
                self._known[given["name"]] = value if isinstance(value, (int, float, str)) else None
            elif kind == "user_input" and "as_tensor" in given["arg"]:
                images.append(given["arg"]["as_tensor"]["name"])
            elif kind != "user_input" or "as_none" not in given["arg"]:
                raise ToolboxError(
                    f"it takes a {kind.replace('_', ' ')} that is no tensor, and holds more than can be read"
                )
        return self._enter_images({name: values[name] for name in images})

    def _enter_images(self, images: Mapping[str, Any]) -> tuple[int | None, int, int | None, int | None]:
        """Let the graph's input stand for the images: of several, each for its share of channels."""
        if not images:
            raise ToolboxError("it takes no tensor; a network takes images")
        shapes = {name: _image_shape(described) for name, described in images.items()}
        count, _, height, width = next(iter(shapes.values()))
        if any((each[0], *each[2:]) != (count, height, width) for each in shapes.values()):
            raise ToolboxError(f"it takes images of different sizes ({', '.join(shapes)}); pictures are of one size")
        self._pictures = {name: shape[1] for name, shape in shapes.items()}
        whole, first = self._graph.placeholder("image"), 0
        for name, channels in self._pictures.items():
            part = (whole, 1, first, first + channels)
            is_alone = len(images) == 1
            self._known[name] = whole if is_alone else self._graph.call_function(torch.ops.aten.slice.Tensor, part)
            first += channels
            self._converted |= {TYPES.get(images[name]["dtype"], torch.float32)} - {torch.float32}
        return count, first, height, width

    def _enter_tensor(self, name: str, path: str, kind: str) -> None:
        tensors = self._archive.constants if kind == "tensor_constant" else self._archive.tensors
        tensor = tensors[path] if path in tensors else self._archive.constants[path]
        if not PATH.fullmatch(path):
            raise ValueError(f"a tensor called {path[:40]!r}")
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        is_parameter = path in self._archive.parameters
        if tensor.is_floating_point() and bool((~tensor.isfinite() if is_parameter else tensor.isnan()).any()):
            raise ToolboxError(f"{path} holds values that are not finite")
        owner, last = self._root, path.rpartition(".")[2]
        for part in path.split(".")[:-1]:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        if last not in owner._parameters and last not in owner._buffers:
            if is_parameter and tensor.is_floating_point():
                owner.register_parameter(last, nn.Parameter(tensor, requires_grad=False))
            else:
                owner.register_buffer(last, tensor)
        self._known[name] = self._graph.get_attr(path)

    def _add(self, graph: Mapping[str, Any], known: dict[str, Any], within: Mapping[str, Any], depth: int) -> None:
        self._count += len(graph["nodes"])
        if self._count > MOST_NODES or depth > _MOST_PARTS_INSIDE:
            raise ToolboxError(
                f"it has more than {MOST_NODES} operations, or parts inside of more than {_MOST_PARTS_INSIDE}"
            )
        for node in graph["nodes"]:
            if node["target"] in _IN_PARTS:
                self._add_part(node, known, depth)
            else:
                self._add_operation(node, known, within)

    def _add_operation(self, node: Mapping[str, Any], known: dict[str, Any], within: Mapping[str, Any]) -> None:
        target = operation_named(node["target"])
        positional = [self._argument(each["arg"], known) for each in node["inputs"] if each.get("kind") != 2]
        by_name = [each for each in node["inputs"] if each.get("kind") == 2]
        named = {_word(each["name"]): self._argument(each["arg"], known) for each in by_name}
        meta = _meta(node.get("metadata") or {})
        if target is torch.ops.aten.detach_.default:
            target = torch.ops.aten.detach.default  # in place it fails on what torch.tensor([…]) in forward became
        elif target is torch.ops.aten.alias.default and meta["torch_fn"][1].rpartition(".")[2] == "detach":
            target = torch.ops.aten.detach.default  # `run_decompositions` leaves nothing else of it
        if meta["torch_fn"][0] == "wrap_with_set_grad_enabled":
            meta["no_grad"] = True  # and nothing else of this
        made = self._graph.call_function(target, tuple(positional), named)
        made.meta = {**within, **meta}
        outputs = node["outputs"]
        if len(outputs) > 1 or (outputs and "as_tensors" in outputs[0]):
            parts = outputs[0]["as_tensors"] if "as_tensors" in outputs[0] else [each["as_tensor"] for each in outputs]
            for index, part in enumerate(parts):
                known[part["name"]] = self._graph.call_function(operator.getitem, (made, index))
        elif outputs:
            ((_, written),) = outputs[0].items()
            known[written.get("name", written.get("as_name"))] = made

    def _argument(self, written: Mapping[str, Any], known: dict[str, Any]) -> Any:
        value = argument(written, known)
        return torch.float32 if isinstance(value, torch.dtype) and value in self._converted else value

    def _add_part(self, node: Mapping[str, Any], known: dict[str, Any], depth: int) -> None:
        at, inputs = _IN_PARTS[node["target"]], [each["arg"] for each in node["inputs"]]
        part = inputs[at]["as_graph"]["graph"]
        given = [argument(each, known) for each in inputs[at + 1 :]]
        names = [each["as_tensor"]["name"] for each in part["inputs"]]
        inside = dict(zip(names, given, strict=True))
        is_grad = node["target"].endswith("set_grad_enabled")
        first = argument(inputs[0 if is_grad else 2], known)
        self._add(part, inside, {"no_grad": not first} if is_grad else {"autocast": bool(first)}, depth + 1)
        parts = [argument(each, inside) for each in part["outputs"]]
        wanted = node["outputs"][0].get("as_tensors")
        names = [each["name"] for each in wanted] if wanted else [each["as_tensor"]["name"] for each in node["outputs"]]
        known |= dict(zip(names, parts, strict=True))


def _image_shape(described: Mapping[str, Any]) -> tuple[int | None, int, int | None, int | None]:
    sizes = [each.get("as_int") for each in described["sizes"]]
    if any(size is not None and (type(size) is not int or not 1 <= size <= LARGEST_SIDE) for size in sizes):
        raise ToolboxError(f"it takes a tensor of which a size is no whole number of 1 to {LARGEST_SIDE}")
    if len(sizes) != 4 or sizes[1] is None or sizes[1] > MOST_CHANNELS:
        shown = "×".join("any" if size is None else str(size) for size in sizes)
        raise ToolboxError(f"it takes a tensor of {shown}; a network takes images, N×C×H×W")
    kind = TYPES.get(described["dtype"])
    if kind is None or not kind.is_floating_point:
        raise ToolboxError("it takes whole numbers; export it for float32 images")
    return sizes[0], sizes[1], sizes[2], sizes[3]


def _floats_of(archive: ProgramArchive) -> list[torch.Tensor]:
    """Return the tensors of floats that a file holds, of any kind of float."""
    return [each for each in (*archive.tensors.values(), *archive.constants.values()) if each.is_floating_point()]


def _word(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError("an argument without a name")
    return name


def _meta(written: Mapping[str, str]) -> dict[str, Any]:
    """Return which modules and functions an operation was called by; what could be no path is left out."""
    stack = {}
    for entry in written.get("nn_module_stack", "").split(";"):
        key, _, rest = entry.partition(",")
        path, _, kind = rest.partition(",")
        if PATH.fullmatch(path):
            stack[key] = (path, kind)
    call, _, function = written.get("torch_fn", "").partition(";")
    return {"nn_module_stack": stack, "torch_fn": (call, function) if PATH.fullmatch(function) else ("", "")}
