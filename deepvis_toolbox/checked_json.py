"""The door for small files of JSON: what one holds is read within limits and compared with a schema, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from deepvis_toolbox.regular_file import json_in, read_regular

T = TypeVar("T")


def read_checked(path: str | Path, most_bytes: int, schema: TypeAdapter[T]) -> T:
    """Return what an ordinary file of JSON holds, as the schema says. OSError where it is missing, larger or cannot be
    read; ValueError as `checked`, or where it is no UTF-8."""
    return checked(read_regular(path, most_bytes).decode("utf-8"), schema)


def checked(text: str, schema: TypeAdapter[T]) -> T:
    """Return what a text of JSON holds, as the schema says: its types are strict. ValueError, in one line, where it is
    no JSON, is nested too deeply, has too many parts, or a value is not as the schema says."""
    json_in(text)
    try:
        return schema.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(key)[:80] for key in first["loc"])
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None
