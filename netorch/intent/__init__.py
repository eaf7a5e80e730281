"""From the inventory to what each device is meant to be, daemon-neutral."""

from netorch.intent.derive import derive_intent
from netorch.intent.items import RULE_PRIORITY_BASE, desired_items

__all__ = ["RULE_PRIORITY_BASE", "derive_intent", "desired_items"]
