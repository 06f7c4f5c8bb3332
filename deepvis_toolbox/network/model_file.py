"""What a model.yaml says: where the network's files are, how images become its input, and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from deepvis_toolbox.configuration import Section, validated_file
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.yaml_file import YamlFile, read_yaml, shown_path

if TYPE_CHECKING:
    from deepvis_toolbox.network.model_description import ModelDescription

LARGEST_SIDE = 8192
LARGEST_LABELS_FILE = 16 << 20


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


def _numbers(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _not_zero(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(values):
        raise ValueError("it must not be 0")
    return values


Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Size = Annotated[tuple[Side, Side], BeforeValidator(_pair)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[tuple[Finite, ...], BeforeValidator(_numbers), Field(min_length=1, max_length=3)]
Factors = Annotated[Numbers, AfterValidator(_not_zero)]


class InputSection(Section):
    """How an RGB picture becomes the network's input: value = (pixel - mean) * scale / std, pixels being 0-255."""

    size: Size | None = Field(None, description="Height and width, [H, W], or one number; a Caffe network's prototxt tells")
    channels: Literal["RGB", "BGR", "gray"] | None = Field(None, description="Order of the input's channels")
    mean: str | Numbers = Field((0.0,), description="A number, one per channel in the network's order, or a file (.npy)")
    scale: Factors = Field((1.0,), description="Multiplies after the mean is subtracted: a number, or one per channel")
    std: Factors = Field((1.0,), description="Divides after the mean is subtracted: a number, or one per channel")
    crop: float = Field(1.0, gt=0, le=1, description="How much of the picture's centre is seen, as a fraction of its side")


class DeconvSection(Section):
    """What the backward mode `deconv` does at single kinds of layers."""

    lrn: Literal["pass", "backprop"] = Field("backprop", description="LRN layers: pass the signal on unchanged, or not")


class UnitImagesSection(Section):
    """Where the units' pictures are and how they are laid out."""

    folder: str | None = Field(None, description="Folder of the pictures, relative to the model.yaml")
    montage: Literal["1x1", "2x2"] = Field("1x1", description="2x2: the published archives' montages of montages")
    shared: dict[str, str] = Field(default_factory=dict, description="Layers that show another layer's pictures")


class FetchItem(Section):
    """One file that `--fetch` downloads."""

    url: str = Field(description="Where it is: http, https or file")
    file: str | None = Field(None, description="What it is called here; the address' last part by default")
    mirrors: tuple[str, ...] = Field((), description="Other addresses of the same file")
    sha1: str | None = Field(None, pattern=r"^[0-9a-fA-F]{40}$", description="SHA-1 of the file, in hexadecimal")
    sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$", description="SHA-256 of the file, in hexadecimal")
    bytes: int | None = Field(None, ge=1, description="Length of the file")
    unpack: str | None = Field(None, description="Folder that an archive is unpacked into")


def _fetch_item(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class ModelFile(Section):
    """A model.yaml; paths in it are relative to its folder."""

    name: str = Field("", description="What the network is called; its folder's name by default")
    framework: Literal["torch", "caffe"] = Field("torch", description="What the network's files are made for")
    prototxt: str | None = Field(None, description="Caffe: the network's deploy.prototxt")
    factory: str | None = Field(None, description="PyTorch: package.module:function that returns an nn.Module")
    weights: str | None = Field(None, description="The trained weights: .caffemodel, or a state dict (.pt, .pth)")
    input: InputSection = Field(default_factory=lambda: InputSection.model_validate({}))
    labels: str | None = Field(None, description="Text file with one class name a line")
    label_layers: tuple[str, ...] = Field((), description="Layers whose units are the classes, probabilities last")
    deconv: DeconvSection = Field(default_factory=lambda: DeconvSection.model_validate({}))
    fetch: tuple[Annotated[FetchItem, BeforeValidator(_fetch_item)], ...] = Field((), description="Files to download")
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Settings of preferred images, by name")
    unit_images: UnitImagesSection = Field(default_factory=lambda: UnitImagesSection.model_validate({}))
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of the toolbox for this model")
    _source: YamlFile | None = PrivateAttr(None)

    @field_validator("label_layers", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> ModelFile:
        if self.framework == "caffe" and self.prototxt is None:
            raise ValueError("a Caffe network needs the key prototxt")
        if self.framework == "torch" and self.factory is None:
            raise ValueError("a PyTorch network needs the key factory: package.module:function")
        if self.framework == "caffe" and self.factory is not None:
            raise ValueError("factory is for framework: torch; a Caffe network has prototxt and weights")
        return self

    @property
    def folder(self) -> Path:
        """What relative paths start from: the folder of the file, else the working directory."""
        return self._source.path.resolve().parent if self._source else Path.cwd()

    @property
    def title(self) -> str:
        """The network's name, its folder's where none is written."""
        return self.name or self.folder.name

    def where(self, *key: str) -> str:
        """The place of a key, for error messages: `file:line`, or `the command line`."""
        return self._source.where(key) if self._source else "the command line"

    def path(self, value: str) -> Path:
        """A path written in the file."""
        return self.folder / Path(value).expanduser()

    def changed(self, changes: Mapping[str, Any], input_changes: Mapping[str, Any]) -> ModelFile:
        """The same with values given on a command line instead; `ToolboxError` where they are not allowed."""
        written = self.model_dump(exclude_unset=True)
        written["input"] = {**written.get("input", {}), **input_changes}
        changed = validated_model(ModelFile, {**written, **changes}, "the command line")
        changed._source = self._source
        return changed


def validated_model(model: type[ModelFile], values: Mapping[str, Any], where: str) -> ModelFile:
    """A model described by plain values instead of a file."""
    return validated_file(model, _Values(where, values))
