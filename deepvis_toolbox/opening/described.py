"""From what a model.yaml says to the network's description: its preprocessing, its mean and labels read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.errors import ToolboxError, os_reason_of, shown_path
from deepvis_toolbox.opening.mean_file import read_mean
from deepvis_toolbox.opening.model_file import ModelFile
from deepvis_toolbox.regular_file import lines_of, read_regular
from deepvis_toolbox.words.input_channels import filled_by, parsed_channels, pictures_in, usual_channels

if TYPE_CHECKING:
    from deepvis_toolbox.network.description import ModelDescription
    from deepvis_toolbox.network.preprocessing import Preprocessing

LARGEST_LABELS_FILE = 16 << 20


def describe(
    model: ModelFile, size: tuple[int, int] | None = None, channel_count: int | None = None
) -> ModelDescription:
    """Return the network's description, its mean and labels read. `size` and `channel_count`: what the network file
    tells."""
    from deepvis_toolbox.network.description import ModelDescription, UnitImagesDescription

    pictures = model.unit_images
    folder = model.path(pictures.folder) if pictures.folder is not None else None
    return ModelDescription(
        name=model.title,
        preprocessing=preprocessing_of(model, size, channel_count),
        labels=read_labels(model.existing("labels", model.labels)) if model.labels else (),
        label_layers=model.label_layers,
        deconv_passes_lrn=model.deconv.lrn == "pass",
        folder=model.own_folder,
        presets=model.presets,
        unit_images=UnitImagesDescription(folder, pictures.montage, pictures.shared, looks=pictures.looks),
    )


def preprocessing_of(model: ModelFile, size: tuple[int, int] | None, channel_count: int | None) -> Preprocessing:
    """Return how pictures become the network's input; what model.yaml leaves out comes from the network file or is
    usual."""
    from deepvis_toolbox.network.preprocessing import Preprocessing

    section = model.input
    size = section.size or size
    if size is None:
        raise ToolboxError(
            f"{model.where()}: the input's size is not known; write input: {{size: 224}} or --input-size 224"
        )
    channels = section.channels or _usual_channels(model.framework, channel_count)
    written = section.mean
    mean = read_mean(model.existing("mean", written, "input", "mean")) if isinstance(written, str) else written
    _check_units(model, mean)
    try:
        return Preprocessing(
            size, channels, mean, section.scale, section.std, section.crop, section.view_channels, section.white
        )
    except ToolboxError as error:
        raise ToolboxError(f"{model.where('input')}: {error}") from None


def check_channels(model: ModelFile, prototxt: Path, channel_count: int) -> None:
    """Check whether pictures can be made the network's input, in the order of channels that is asked for."""
    asked = model.input.channels
    if asked is None and channel_count not in (1, 3):
        raise ToolboxError(
            f"{prototxt}: the network takes images of {channel_count} channels; pictures have 3, or 1 if they are "
            f"grey; {filled_by(channel_count)}"
        )
    if asked is not None and parsed_channels(asked).count != channel_count:
        raise ToolboxError(
            f"{model.where('input', 'channels')}: channels is {asked}, but the network of {prototxt.name} takes "
            f"{channel_count}"
        )


def with_pictures(model: ModelFile, counts: Sequence[int], names: Sequence[str]) -> tuple[ModelFile, list[str]]:
    """Return the model with what fills the inputs of a file that takes several pictures, of so many channels each,
    where nobody says it, and what is told of it."""
    if len(counts) < 2 or model.input.channels is not None:
        return model, []
    channels = usual_channels(counts)
    told = f"it takes {len(counts)} pictures ({', '.join(names)}): its input has the channels {channels}"
    return model.changed({}, {"channels": channels}), [told]


def with_pictures_of(model: ModelFile) -> ModelFile:
    """Return the model, where its `inputs` ask for more than one picture and nobody says what fills the channels, with
    a picture in colour for each."""
    count = pictures_in(model.inputs)
    if count < 2 or model.input.channels is not None:
        return model
    return model.changed({}, {"channels": usual_channels([3] * count)})


def _check_units(model: ModelFile, mean: Any) -> None:
    """Refuse the means of pixels of 0 to 1, which most of torch's own texts give: pixels here are 0 to 255."""
    section = model.input
    if isinstance(section.mean, str) or not all(0 < value < 1 for value in mean):
        return
    in_pixels = [round(255 * value, 3) for value in mean]
    scale = "" if all(value < 0.1 for value in section.scale) else ", scale: 0.00392157 (1/255)"
    raise ToolboxError(
        f"{model.where('input', 'mean')}: the mean {_listed(mean)} is one of pixels of 0 to 1; they are 0 to 255 here: "
        f"write mean: {_listed(in_pixels)}{scale}, and std as it is"
    )


def _listed(values: Any) -> str:
    numbers = [f"{value:g}" for value in values]
    return numbers[0] if len(numbers) == 1 else f"[{', '.join(numbers)}]"


def _usual_channels(framework: str, channel_count: int | None) -> str:
    if channel_count == 1:
        return "gray"
    return "BGR" if framework == "caffe" else "RGB"


def read_labels(path: Path) -> tuple[str, ...]:
    """Return one class name a line, in the order of the units."""
    name = shown_path(path)
    if not path.is_file():
        raise ToolboxError(f"there is no labels file {name}")
    try:
        text = read_regular(path, LARGEST_LABELS_FILE).decode("utf-8-sig")
    except OSError as error:
        raise ToolboxError(f"the labels file {name} cannot be read: {os_reason_of(error)}") from None
    except UnicodeDecodeError:
        raise ToolboxError(f"{name} is not a text file in UTF-8") from None
    return tuple(line.strip() for line in lines_of(text.rstrip()))
