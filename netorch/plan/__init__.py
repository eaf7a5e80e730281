"""Desired items and facts in, a plan out. Pure."""

from netorch.plan.checks import derive_check, findings
from netorch.plan.diff import plan_device
from netorch.plan.rollout import batches
from netorch.plan.words import describe_item, summarise

__all__ = ["batches", "derive_check", "describe_item", "findings", "plan_device", "summarise"]
