"""The daemons that netorch can write configurations for.

A further one is a package beside ``netorch.render.bird`` with its ``DIALECT``, a folder of templates with its name, and a line
in ``DIALECTS``; which of its versions the templates are for is said by ``netorch.model.capabilities``.
"""

from __future__ import annotations

from collections.abc import Mapping

from netorch.errors import RenderError
from netorch.render.bird import DIALECT as BIRD
from netorch.render.dialect import Dialect
from netorch.render.frr import DIALECT as FRR

DIALECTS: Mapping[str, Dialect] = {"bird": BIRD, "frr": FRR}


def dialect_of(daemon: str) -> Dialect:
    """How ``daemon``'s configuration is written; RenderError where netorch cannot."""
    try:
        return DIALECTS[daemon]
    except KeyError:
        raise RenderError(f"expected one of the daemons {', '.join(DIALECTS)}, found {daemon!r}") from None


def configuration_paths(daemon: str) -> tuple[str, ...]:
    """The files of ``daemon`` that netorch writes; RenderError where it cannot write any."""
    return tuple(file.path for file in dialect_of(daemon).files)
