"""Turns what pydantic reports into findings: expected, found, and a hint that names the fix."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netorch.inventory.document import Path
from netorch.inventory.findings import Findings, shown_value
from netorch.inventory.keys import Keys
from netorch.model.text import did_you_mean

_EXPECTED = {
    "model_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "list_type": "a list",
    "string_type": "a text",
}


def validated(keys: type[Keys], data: Any, *, file: str, findings: Findings) -> Keys | None:
    """``data`` as ``keys``, or None after adding a finding for everything that is wrong with it."""
    try:
        return keys.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _add(detail, keys, file=file, findings=findings)
        return None


def _add(detail: ErrorDetails, keys: type[Keys], *, file: str, findings: Findings) -> None:
    path: Path = tuple(detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        hint = did_you_mean(path[-1], _known_keys(keys, path[:-1]), otherwise="known here: ")
        findings.add(file, path, message="unknown key", hint=hint, of_key=True)
    elif kind == "missing":
        hint = f"add {path[-1]}: {_meaning(keys, path)}"
        findings.add(file, path, message="required, but missing", hint=hint)
    else:
        message, hint = _mistake(detail)
        findings.add(file, path, message=message, hint=hint)


def _mistake(detail: ErrorDetails) -> tuple[str, str]:
    kind, found, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "netorch":
        return detail["msg"], str(context.get("hint", ""))
    if kind == "too_short":
        return "expected at least one item, found none", ""
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {shown_value(found)}", ""
    return f"{detail['msg']}, found {shown_value(found)}", ""


def _meaning(keys: type[Keys], path: Path) -> str:
    """The description of the field at ``path``."""
    model = _model_at(keys, path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    return field.description or "..." if field else "..."


def _known_keys(keys: type[Keys], path: Path) -> list[str]:
    model = _model_at(keys, path)
    return list(model.model_fields) if model else []


def _model_at(keys: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that the value at ``path`` is read as; None where it is not a mapping of fixed keys."""
    model: type[BaseModel] | None = keys
    for step in path:
        if isinstance(step, str):
            field = model.model_fields.get(step) if model is not None else None
            model = _model_in(field.annotation) if field is not None else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside of ``list[...]``, ``... | None`` or ``Annotated[...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
