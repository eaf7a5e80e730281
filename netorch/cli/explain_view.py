"""The steps of ``netorch explain`` in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netorch.model.conventions import MAIN_TABLE

LOCAL_TABLE = 255

Step = tuple[str, str, bool]
"""What it is about, in words, and whether it is as it should be."""


def steps(document: dict[str, Any]) -> Iterator[Step]:
    """From the rule to the frame; where the way ends early the rest is left out."""
    yield "rule", _rule(document), True
    table, broken = document["table"], {f["kind"] for f in document["findings"] if f["broken"]}
    if table is None:
        yield "table", "none has a route", "no_route" not in broken
    else:
        yield "table", _table(document), True
    if document["prefix"] is not None:
        yield "route", _route(document), True
    hops = document["hops"]
    if hops:
        yield "provider", " or ".join(dict.fromkeys(hop["provider"] for hop in hops)), True
        shared = ", per flow" if len(hops) > 1 else ""
        yield "next hop", " or ".join(hop["next_hop"] for hop in hops) + shared, True
        for hop in hops:
            yield "neighbour", _neighbour(hop), hop["mac"] is not None and hop["mirror_ok"]
        for hop in hops:
            yield "uplink", f"{hop['interface']} to {hop['switch']}", True
        for hop in hops:
            vlan = f" VLAN {hop['vlan']}" if hop["vlan"] is not None else ""
            yield "port", f"{hop['switch']} {hop['port']}{vlan}: circuit {hop['circuit']}", True
    yield "kernel", _kernel(document["kernel"]), document["kernel"]["agrees"]
    if document["frame"] is not None:
        yield "frame", _frame(document["frame"]), "frame" not in broken


def _rule(document: dict[str, Any]) -> str:
    priority, table = document["rule"], document["table"]
    if priority is None:
        return "none leads to a table with a route"
    if document["mark"] and table == document["mark"]:
        return f"{priority}: packets with mark {document['mark']} look into table {table}"
    after = f", since table {document['mark']} has no route" if document["mark"] else ""
    return f"{priority}: every packet looks there{after}"


def _table(document: dict[str, Any]) -> str:
    names = {MAIN_TABLE: "main", LOCAL_TABLE: "local"}
    table = document["table"]
    return f"{table} ({names.get(table) or document['via'] or '?'})"


def _route(document: dict[str, Any]) -> str:
    path = document["path"]
    if path is None:
        return str(document["prefix"])
    asns = " ".join(path["as_path"])
    words = f"{document['prefix']} of {document['daemon']}: local preference {path['local_preference']}"
    return words + (f", AS path {asns}" if asns else "")


def _neighbour(hop: dict[str, Any]) -> str:
    if hop["mac"] is None:
        return f"{hop['next_hop']} has no entry: {hop['mirror']}"
    return f"{hop['next_hop']} is {hop['mac']} ({hop['mac_state']}; {hop['mirror']})"


def _kernel(kernel: dict[str, Any]) -> str:
    if kernel["error"]:
        words = str(kernel["error"])
    else:
        through = f" through {kernel['interface']}" if kernel["interface"] else ""
        source = f" from {kernel['source']}" if kernel["source"] else ""
        route = "" if kernel["prefix"] is None else f"{kernel['prefix']} of table {kernel['table']}: "
        words = f"{route}{kernel['next_hop'] or 'direct'}{through}{source}"
    return ("agrees: " if kernel["agrees"] else "does not agree: ") + words


def _frame(frame: dict[str, Any]) -> str:
    answered = "no answer within 1 s" if frame["rtt_ms"] is None else f"answered after {frame['rtt_ms']:.1f} ms"
    return (
        f"{frame['interface']}: {frame['source_mac']} > {frame['destination_mac']}, from {frame['source']}, {answered}"
    )
