"""What a model.yaml says: where the network's files are, how images become its input, and its labels."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from deepvis_toolbox.configuration.section import Section, validated
from deepvis_toolbox.configuration.yaml_file import KeyPath, read_yaml
from deepvis_toolbox.errors import ToolboxError, shown_path, user_path
from deepvis_toolbox.opening.model_values import Channels, ConstantInput, Factors, Looks, Mean, Size
from deepvis_toolbox.program_names import command_line
from deepvis_toolbox.words.backward import PLAIN_DECONV
from deepvis_toolbox.words.network import TraceWay
from deepvis_toolbox.words.unit_image_kinds import MontageLayout

COMMAND_LINE = "the command line"

Where = Callable[[KeyPath], str]


class InputSection(Section):
    """How an RGB picture becomes the network's input: value = (pixel - mean) * scale / std, pixels being 0-255."""

    size: Size | None = Field(
        None, description="Height and width, [H, W], or one number; a Caffe network's prototxt tells"
    )
    channels: Channels | None = Field(None, description="What fills the input's channels, in its order")
    view_channels: tuple[int, int, int] | None = Field(
        None, description="Of more than three channels: the numbers of those shown as red, green and blue"
    )
    white: float | None = Field(
        None, gt=0, description="Which value of bands of 16 bits or floats is white; of 16 bits, 65535 by default"
    )
    mean: Mean = Field((0.0,), description="A number, one per channel in the network's order, or a file (.npy)")
    scale: Factors = Field((1.0,), description="Multiplies after the mean is subtracted: a number, or one per channel")
    std: Factors = Field((1.0,), description="Divides after the mean is subtracted: a number, or one per channel")
    crop: float = Field(
        1.0, gt=0, le=1, description="How much of the picture's centre is seen, as a fraction of its side"
    )


class DeconvSection(Section):
    """What the backward mode `deconv` does at single kinds of layers."""

    lrn: Literal["pass", "backprop"] = Field("backprop", description="LRN layers: pass the signal on unchanged, or not")


class UnitImagesSection(Section):
    """Where the units' pictures are and how they are laid out."""

    folder: str | None = Field(None, description="Folder of the pictures, relative to the model.yaml")
    montage: MontageLayout = Field("1x1", description="2x2: the published archives' montages of montages")
    shared: dict[str, str] = Field(default_factory=dict, description="Layers that show another layer's pictures")
    looks: Looks = Field((PLAIN_DECONV,), description="How is shown what excites a unit in its top images; MODE:VIEW")


class FetchItem(Section):
    """One file that `--fetch` downloads."""

    url: str = Field(description="Where it is: http or https")
    file: str | None = Field(None, description="What it is called here; the address' last part by default")
    mirrors: tuple[str, ...] = Field((), description="Other addresses of the same file")
    sha1: str | None = Field(None, pattern=r"^[0-9a-fA-F]{40}$", description="SHA-1 of the file, in hexadecimal")
    sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$", description="SHA-256 of the file, in hexadecimal")
    bytes: int | None = Field(None, ge=1, description="Length of the file")
    unpack: str | None = Field(None, description="Folder that an archive is unpacked into")


def _fetch_item(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class AddedLayerItem(Section):
    """A layer of the user's own on one of the network's."""

    file: str = Field(description="The directions: a .npz or .safetensors file, relative to the model.yaml")
    layer: str | None = Field(None, description="The layer that it is put on, where the file does not say it")
    name: str | None = Field(None, description="What it is called: LAYER/NAME; the file's name by default")


def _added_layer(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


class ModelFile(Section):
    """A model.yaml; paths in it are relative to its folder."""

    name: str = Field("", description="What the network is called; its folder's name by default")
    framework: Literal["torch", "caffe", "onnx"] = Field("torch", description="What the network's files are made for")
    prototxt: str | None = Field(None, description="Caffe: the network's deploy.prototxt")
    factory: str | None = Field(None, description="PyTorch: package.module:function that returns an nn.Module")
    program: str | None = Field(None, description="PyTorch: an exported program (.pt2), instead of a factory")
    onnx: str | None = Field(None, description="ONNX: the network's file (.onnx)")
    until: str | None = Field(None, description="ONNX: the layer that is the last; what lies behind it is left out")
    trace: TraceWay = Field("auto", description="How a module becomes a graph: auto, fx, or export (torch.export)")
    weights: str | None = Field(None, description="The trained weights: .caffemodel, or a state dict (.pt, .pth)")
    input: InputSection = Field(default_factory=lambda: InputSection.model_validate({}))
    inputs: dict[str, ConstantInput] = Field(
        default_factory=dict,
        description="PyTorch: what forward takes besides the image: numbers, lists (a tensor), image, or image 2",
    )
    labels: str | None = Field(None, description="Text file with one class name a line")
    label_layers: tuple[str, ...] = Field((), description="Layers whose units are the classes, probabilities last")
    deconv: DeconvSection = Field(default_factory=lambda: DeconvSection.model_validate({}))
    fetch: tuple[Annotated[FetchItem, BeforeValidator(_fetch_item)], ...] = Field((), description="Files to download")
    added_layers: tuple[Annotated[AddedLayerItem, BeforeValidator(_added_layer)], ...] = Field(
        (), description="Layers of your own: files of directions on a layer, whose units they become"
    )
    presets: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Settings of preferred images, by name"
    )
    unit_images: UnitImagesSection = Field(default_factory=lambda: UnitImagesSection.model_validate({}))
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of the toolbox for this model")
    _folder: Path | None = PrivateAttr(None)
    _is_trusted: bool = PrivateAttr(True)
    _where: Where | None = PrivateAttr(None)

    @field_validator("label_layers", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> ModelFile:
        if self.framework == "caffe" and self.prototxt is None:
            raise ValueError("a Caffe network needs the key prototxt")
        if (self.framework == "onnx") != (self.onnx is not None):
            raise ValueError("an ONNX network has the keys framework: onnx, and onnx: its file")
        if self.onnx is not None and any((self.factory, self.program, self.prototxt, self.weights)):
            raise ValueError("an ONNX file has its weights in it; leave factory, program, prototxt and weights away")
        if self.until is not None and self.onnx is None:
            raise ValueError("until is for ONNX files; a network of another kind opens as a whole")
        if self.framework == "torch" and self.factory is None and self.program is None:
            raise ValueError(
                "a PyTorch network needs the key factory: package.module:function, or program: a .pt2 file"
            )
        if self.program is not None and (self.factory is not None or self.weights is not None):
            raise ValueError("an exported program has its weights in it, and no factory; leave those keys away")
        if self.framework == "caffe" and (self.factory is not None or self.program is not None):
            raise ValueError("factory is for framework: torch; a Caffe network has prototxt and weights")
        return self

    @property
    def folder(self) -> Path:
        """What relative paths start from: the folder of the file, else the working directory."""
        return self._folder or Path.cwd()

    @property
    def own_folder(self) -> Path | None:
        """The folder of the file; None where the model is described on a command line."""
        return self._folder

    @property
    def is_trusted(self) -> bool:
        """Whether it may name code, and files outside of its folder. What a user writes on a command line may."""
        return self._is_trusted

    @property
    def title(self) -> str:
        """The network's name, its folder's where none is written."""
        return self.name or self.folder.name

    def where(self, *key: str | int) -> str:
        """Return where a key was written, for error messages: `file:line`, or `the command line`."""
        return self._where(key) if self._where else COMMAND_LINE

    def path(self, value: str) -> Path:
        """Return a path written in the file."""
        return user_path(self.folder / user_path(value))

    def existing(self, what: str, value: str, *key: str | int) -> Path:
        """Return a file of the network that is there, and that is the one that was fetched if it was. Where it is not,
        the `ToolboxError` says how to get it."""
        path = self.path(value)
        if path.is_file():
            if self.own_folder is not None:
                from deepvis_toolbox.opening.downloads.fetched_files import check_fetched

                check_fetched(self.own_folder, path)
            return path
        fetch = f"; {command_line('deepvis')} --fetch {self.title} downloads it" if self.fetch else ""
        raise ToolboxError(f"{self.where(*(key or (what,)))}: the network's {what} file {path} is not there{fetch}")

    def changed(self, changes: Mapping[str, Any], input_changes: Mapping[str, Any]) -> ModelFile:
        """Return the same with values given on a command line instead; `ToolboxError` where they are not allowed."""
        written = self.model_dump(exclude_unset=True)
        values = {**written, **changes, "input": {**written.get("input", {}), **input_changes}}

        def where(path: KeyPath) -> str:
            given = (
                set(path[1:2] or input_changes) & set(input_changes)
                if path[:1] == ("input",)
                else {*path[:1]} & {*changes}
            )
            return COMMAND_LINE if given else self.where(*path)

        return _placed(validated(ModelFile, values, where), self._folder, where, self._is_trusted)


def read_model_file(path: Path, *, trusted: bool = False) -> ModelFile:
    """Read and check a model.yaml. A mistake is a `ToolboxError` with file, line, key, and what is allowed.

    So is a path that leads out of the folder, unless the folder is `trusted` (also: `trust.is_trusted`).
    """
    from deepvis_toolbox.opening.trust import is_trusted

    file = read_yaml(path)
    folder = path.resolve().parent
    model = _placed(validated(ModelFile, file.values, file.where), folder, file.where, trusted or is_trusted(folder))
    if not model.is_trusted:
        _check_stays_inside(model)
    return model


def _check_stays_inside(model: ModelFile) -> None:
    folder = model.folder.resolve()
    mean = model.input.mean if isinstance(model.input.mean, str) else None
    written: dict[tuple[str | int, ...], str | None] = {
        ("prototxt",): model.prototxt,
        ("weights",): model.weights,
        ("program",): model.program,
        ("onnx",): model.onnx,
        ("labels",): model.labels,
        ("input", "mean"): mean,
        ("unit_images", "folder"): model.unit_images.folder,
        **{("added_layers", number): each.file for number, each in enumerate(model.added_layers)},
    }
    for key, value in written.items():
        if value is not None and not model.path(value).resolve().is_relative_to(folder):
            raise ToolboxError(
                f"{model.where(*key)}: {value} leads out of the model's folder, which only a folder that you trust "
                f"may do: --trust {shlex.quote(shown_path(folder))}"
            )
    for name, values in model.presets.items():
        start = values.get("start_at")
        if isinstance(start, str) and start.startswith("image:"):
            raise ToolboxError(
                f"{model.where('presets', name, 'start_at')}: {start} names a picture outside of the model's "
                f"folder, which only a folder that you trust may do: --trust {shlex.quote(shown_path(folder))}"
            )


def model_from_values(values: Mapping[str, Any]) -> ModelFile:
    """Return a model described on a command line instead of in a file."""
    return validated(ModelFile, values, lambda _: COMMAND_LINE)


def _placed(model: ModelFile, folder: Path | None, where: Where, is_trusted: bool) -> ModelFile:
    model._folder, model._where, model._is_trusted = folder, where, is_trusted
    return model
