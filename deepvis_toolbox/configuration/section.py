"""From values that people wrote to checked, typed models; a mistake is told with its place and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from deepvis_toolbox.configuration.yaml_file import KeyPath
from deepvis_toolbox.errors import ToolboxError, nearest_name

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """A group of keys: unknown ones are refused, values cannot be changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


@dataclass(frozen=True)
class InWords:
    """What a type written with `Annotated` may be, for error messages and documentation."""

    words: str | Callable[[], str]
    """A function where it lists what may be added to."""

    @property
    def text(self) -> str:
        """What it says now."""
        return self.words if isinstance(self.words, str) else self.words()


@dataclass(frozen=True)
class OneOf:
    """`Annotated[str, OneOf(names)]`: one of the names that `names()` gives when a value is checked."""

    names: Callable[[], Sequence[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: str) -> str:
        if value not in self.names():
            raise PydanticCustomError("one_of", "unknown name")
        return value


def validated(model: type[Model], values: Mapping[str, Any], where: Callable[[KeyPath], str]) -> Model:
    """Return the checked model. Its first mistake becomes a `ToolboxError` that starts with `where(path of the
    key)`."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        # An unknown key often explains why another one is missing.
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        path = _written_part(first["loc"], values)
        raise ToolboxError(f"{where(path)}: {_sentence(model, path, dict(first))}") from None


def allowed_values(field: FieldInfo) -> str:
    """Return what a field may be, in words: `true or false`, `a number, 1 to 60`, `one of RGB, BGR, gray`."""
    for part in field.metadata:
        if isinstance(part, InWords):
            return part.text
        if isinstance(part, OneOf):
            return f"one of {', '.join(part.names())}"
    described = _type_in_words(field.annotation)
    limits = {
        name: getattr(part, name) for part in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(part, name)
    }
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    above = "above " if "gt" in limits else ""
    below = "below " if "lt" in limits else ""
    if low is not None and high is not None:
        return f"{described}, {above}{low} to {below}{high}"
    if low is not None:
        return f"{described}, {above or 'at least '}{low}"
    return f"{described}, {below or 'at most '}{high}" if high is not None else described


def field_at(model: type[BaseModel], path: KeyPath) -> FieldInfo | None:
    """Return the field that a path of keys leads to, where it leads to one."""
    section = _section_at(model, path[:-1])
    return section.model_fields.get(str(path[-1])) if section and path else None


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a group of keys, or a list of such."""
    return _model_in(field.annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _section_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    section: type[BaseModel] | None = model
    for key in path:
        if isinstance(key, int):  # a place in a list, all of whose parts are alike
            continue
        field = section.model_fields.get(str(key)) if section else None
        section = section_of(field) if field else None
    return section


def _written_part(location: tuple[int | str, ...], values: Any) -> KeyPath:
    """Return the part of pydantic's location that the user wrote; the rest is members of unions, or missing keys."""
    path: list[int | str] = []
    for part in location:
        inside = isinstance(values, Mapping) and part in values
        if not inside and not (isinstance(values, list) and isinstance(part, int) and part < len(values)):
            break
        values = values[part]
        path.append(part)
    return tuple(path)


def _sentence(model: type[BaseModel], path: KeyPath, error: dict[str, Any]) -> str:
    key = _dotted(path)
    if error["type"] == "extra_forbidden":
        return _unknown_key(model, path)
    if error["type"] == "missing" and isinstance(error["loc"][-1], str):
        return f'"{_dotted(error["loc"])}" is missing'
    if error["type"] == "value_error":
        reason = str(error["ctx"]["error"])
        return f"{key}: {reason}" if key else reason
    field = field_at(model, path)
    if field is not None and (section := section_of(field)) is not None and error["type"] == "model_type":
        return f'"{key}" is a group of keys: {", ".join(section.model_fields)}'
    if field is None and path and isinstance(path[-1], int):  # a part of a list: the list's own words say more
        field = field_at(model, path[:-1])
    if field is not None and error["type"] not in ("model_type", "dict_type"):
        allowed = allowed_values(field)
    else:
        allowed = "a group of keys" if error["type"] in ("dict_type", "model_type") else _lowered(error["msg"])
    return f'"{key}" is {_quoted(error["input"])}; it must be {allowed}{_hint(field, error)}'


def _unknown_key(model: type[BaseModel], path: KeyPath) -> str:
    section = _section_at(model, path[:-1])
    known = list(section.model_fields) if section else []
    parent = _dotted(path[:-1])
    listed = f"the keys {f'of {parent} ' if parent else ''}are {', '.join(known)}"
    return f'unknown key "{_dotted(path)}"{nearest_name(str(path[-1]), known)}; {listed}'


def _hint(field: FieldInfo | None, error: dict[str, Any]) -> str:
    value = error["input"]
    if isinstance(value, str) and field is not None:
        named = [name for part in field.metadata if isinstance(part, OneOf) for name in part.names()]
        return nearest_name(value, named or map(str, _choices(field.annotation)))
    return f' (in quotes: "{value}")' if error["type"] == "string_type" and isinstance(value, (int, float)) else ""


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(choice for part in get_args(annotation) for choice in _choices(part))


def _type_in_words(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        own = [part.text for part in get_args(annotation) if isinstance(part, InWords)]
        return own[0] if own else _type_in_words(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, get_args(annotation)))}"
    if annotation in _WORDS:
        return _WORDS[annotation]
    arguments = [part for part in get_args(annotation) if part is not Ellipsis]
    if get_origin(annotation) in (list, tuple):
        count = (
            "a list of values"
            if Ellipsis in get_args(annotation) or len(arguments) == 1
            else f"{len(arguments)} values"
        )
        return f"{count}, each {_type_in_words(arguments[0])}" if arguments else count
    if get_origin(annotation) is dict:
        return "a group of keys"
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_type_in_words(part) for part in arguments if part is not type(None))
    return str(getattr(annotation, "__name__", annotation))


_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
    dict: "a group of keys",
    Any: "any value",
}


def _dotted(path: KeyPath) -> str:
    return " ".join(".".join(map(str, path)).split())


def _quoted(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f'"{text}"' if isinstance(value, str) else text


def _lowered(message: str) -> str:
    shortened = message.removeprefix("Input should be ")
    return shortened[:1].lower() + shortened[1:]
