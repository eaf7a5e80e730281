"""BIRD's configuration language, as far as plans look into it: the members of ``netorch.plan.daemons.Language``."""

from netorch.plan.bird.bgp import read_bgp, read_passwords, rewrite_closed
from netorch.plan.bird.imports import may_change_imports
from netorch.plan.bird.lines import differing_lines, running_text
from netorch.plan.bird.resets import foresee_resets

__all__ = [
    "differing_lines",
    "foresee_resets",
    "may_change_imports",
    "read_bgp",
    "read_passwords",
    "rewrite_closed",
    "running_text",
]
