"""Templates by name, compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from netorch.render.daemons import DIALECTS


@dataclass(frozen=True, eq=False)  # by identity: the compiled templates belong to this very object
class TemplateSource:
    """Text of each template by its name (``bird/switch.conf.j2``). Make one per run: it holds the compiled templates."""

    texts: Mapping[str, str] = field(repr=False)

    @cached_property
    def environment(self) -> Environment:
        """Strict: an undefined name is an error; nothing is looked for outside ``texts``."""
        environment = Environment(
            loader=_TextLoader(self.texts),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
            cache_size=-1,
        )
        for dialect in DIALECTS.values():
            environment.filters.update(dialect.filters)
        return environment


class _TextLoader(BaseLoader):
    """Hands out texts under their own names, so that tracebacks name template and line."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, None]:
        if template not in self._texts:
            raise TemplateNotFound(template)
        return self._texts[template], template, None

    def list_templates(self) -> list[str]:
        return sorted(self._texts)
