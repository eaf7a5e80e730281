"""A small network with a switch that announces, for tests of announcements."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Optional

from netorch.api import (
    Announcement,
    Facts,
    Intent,
    Inventory,
    Overlay,
    PrefixExport,
    Protocol,
    Report,
    SessionAnnouncements,
    Step,
    own_path,
)
from netorch.inventory import load_inventory
from netorch.loader import bundled_plugins
from netorch.model.sources import OriginFacts, ValidatorFacts
from netorch.testing import SMALL_NETWORK, FakeNetwork, fake_context, fake_facts

PLUGIN = next(plugin for plugin in bundled_plugins() if plugin.name == "announce")
SWITCH, HOST = "sw1.pop1", "h1.pop1"
OWN, PART = "192.0.2.0/23", "192.0.3.0/24"
ACTIONS = "actions: [{name: not-to-x, community: '64496:9'}, {name: longer, large_community: '64496:1:2'}]"


def inventory() -> Inventory:
    """The small network with a wider own prefix, so that it has parts, and a provider with actions."""
    files = {name: text.replace("192.0.2.0/24", OWN) for name, text in SMALL_NETWORK.items()}
    files["providers.yml"] = files["providers.yml"].replace("relation: transit}", f"relation: transit, {ACTIONS}}}")
    return load_inventory(files, folder="/inventory")


def announced(intent: Intent) -> tuple[SessionAnnouncements, ...]:
    """What the switch announces when it is as ``intent`` has it."""
    switch, host = intent.device(SWITCH), intent.device(HOST)
    found = []
    for session in switch.sessions:
        policy = session.export_policy
        if policy is not None:
            heard = [prefix for prefix in switch.originated if prefix in host.originated]
            exports = [policy.of_prefix(prefix) for prefix in heard if prefix.version == session.family.number]
            found.append(SessionAnnouncements(session.name, tuple(_said(intent, e) for e in exports if not e.withheld)))
    return tuple(found)


def _said(intent: Intent, export: PrefixExport) -> Announcement:
    short, large = tuple(sorted(export.communities)), tuple(sorted(export.large_communities))
    return Announcement(export.prefix, own_path(intent.asn, export.prepend), short, large)


def run(
    verb: str,
    *,
    overlay: Optional[Overlay] = None,
    down: tuple[str, ...] = (),
    rpki: str = "",
    settings: Optional[dict[str, Any]] = None,
    is_behind: bool = False,
    **arguments: Any,
) -> tuple[tuple[Step, ...], Overlay]:
    """The steps of a command, and what devices hold afterwards; sessions ``down`` are not up, validators say ``rpki``; a switch
    that ``is_behind`` knows of no change."""
    context = fake_context(PLUGIN, inventory(), overlay=overlay, settings=settings)
    plain = fake_context(PLUGIN, inventory()).intent

    def report(_: float, held: Overlay) -> Facts:
        switch = plain.device(SWITCH)
        protocols = [
            Protocol(s.name, "BGP", bgp_state="Active" if s.name in down else "Established") for s in switch.sessions
        ]
        known = () if is_behind else held.kept_by(SWITCH)
        facts = replace(fake_facts(SWITCH, protocols=protocols), announced=announced(PLUGIN.amend(plain, held)))
        facts = replace(facts, overlay=known)
        if rpki:
            validators = (ValidatorFacts(ip_network("10.0.0.1/32").network_address, 3323, "up"),)
            facts = replace(facts, validators=validators, origins=(OriginFacts(ip_network(OWN), 64500, rpki),))
        return {SWITCH: facts, HOST: fake_facts(HOST)}

    network = FakeNetwork(report, overlay=overlay)
    return network.run(PLUGIN, verb, context, **arguments), network.overlay


def preview(steps: tuple[Step, ...]) -> dict[str, tuple[str, str]]:
    """Before and after by session, of the first table."""
    report = next(step for step in steps if isinstance(step, Report))
    return {str(row["session"]): (str(row["before"]), str(row["after"])) for row in report.rows}


def exports(overlay: Overlay, session: str) -> tuple[PrefixExport, ...]:
    """What a session announces otherwise than the inventory says."""
    intent = fake_context(PLUGIN, inventory(), overlay=overlay).intent
    policy = next(s.export_policy for s in intent.device(SWITCH).sessions if s.name == session)
    assert policy is not None
    return policy.prefixes
