"""From the inventory to what each device is meant to be, daemon-neutral."""

from netorch.intent.derive import derive_intent
from netorch.intent.items import desired_items

__all__ = ["derive_intent", "desired_items"]
