"""The files of an inventory, and their JSON Schema. docs/inventory.md and ``netorch schema`` come from here."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from netorch.inventory.keys import Keys
from netorch.inventory.schema_lab import LabFile
from netorch.inventory.schema_network import NetworkFile, ProvidersFile
from netorch.inventory.schema_pops import PopFile

FILES: dict[str, type[Keys]] = {"network": NetworkFile, "providers": ProvidersFile, "pop": PopFile, "lab": LabFile}


class _SchemaWriter(GenerateJsonSchema):
    """Titles come from the types alone, not from the names of fields and classes."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of all files: ``#/$defs/network``, ``providers``, ``pop`` and ``lab``, one for each kind."""
    references, definitions = models_json_schema(
        [(keys, "validation") for keys in FILES.values()], schema_generator=_SchemaWriter
    )
    defs: dict[str, Any] = {name: {"$ref": references[keys, "validation"]["$ref"]} for name, keys in FILES.items()}
    for name, definition in definitions["$defs"].items():
        definition.pop("title", None)
        defs[name] = definition
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netorch inventory: network.yml, providers.yml, pops/NAME.yml, lab.yml",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in FILES],
        "$defs": defs,
    }
