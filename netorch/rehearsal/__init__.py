"""A change on the POP's twin: what it would do, seen before any device is touched.

``prepare`` runs where the inventory is and asks the real devices; ``in_own_namespaces`` starts the process in which
``rehearse`` boots the twin. That process sees neither network nor processes of the machine, and nothing of it outlives it.
"""
