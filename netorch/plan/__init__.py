"""Desired items and facts in, a plan out. Pure."""

from netorch.plan.checks import derive_check
from netorch.plan.diff import plan_device
from netorch.plan.rollout import batches
from netorch.plan.words import summarise

__all__ = ["batches", "derive_check", "plan_device", "summarise"]
