"""The kernel's network state over RTNETLINK, one module per kind: addresses, neighbours, routes, rules, links.

pyroute2 says what messages look like, encodes and decodes them. Its sockets run an event loop in threads, which takes four
times as long to import as all the agent's other work: ``route_socket`` sends and receives by itself. A module imports its
kind's messages only, since every call on a device pays for its imports (docs/decisions/agent-start-up.md).
"""
