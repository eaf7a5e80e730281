"""The kernel's network state over RTNETLINK: addresses, neighbours, routes, rules, links.

Written against the wire format with ``struct`` and the bare ``_socket``: every call on a device pays for its imports, and
these cost 1 ms where pyroute2 costs 70 to 100 (docs/decisions).
"""
