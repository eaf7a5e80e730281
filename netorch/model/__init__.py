"""What netorch talks about, as frozen dataclasses: inventory, intent, facts, items, operations, plan.

Standard library only, and Python 3.9 at run time, since the agent shares it: fields use ``Optional`` rather than ``X |
None`` because ``netorch.model.codec`` resolves them on the device.
"""
