"""The mirror's rows of the matrix."""

from __future__ import annotations

from tests.lab.faults import mirror_agents as agents
from tests.lab.faults import mirror_network as network
from tests.lab.faults.mirror import MirrorFault

MIRROR_FAULTS = (
    MirrorFault("ARP flap", "followed, or held down; then the last MAC", network.flap, network.FLAPS, quick=True),
    MirrorFault(
        "forged ARP at the switch",
        "refused; where nothing is named followed, and right again 5 s after the attack",
        network.forged_arp,
        network.FORGERIES,
        quick=True,
    ),
    MirrorFault("forged feed", "never believed", agents.forged_feed, agents.IMPOSTORS),
    MirrorFault(
        "messages replayed, cut, changed", "never believed; begun anew", agents.damaged, agents.DAMAGES, quick=True
    ),
    MirrorFault("agent killed", "entries stay; what was missed is made up for", agents.agent_killed, agents.DEATHS),
    MirrorFault("switch's agent restarted", "entries stay, the loss is told", agents.feed_restarted, agents.RESTARTS),
    MirrorFault(
        "certificate over", "entries stay, the loss is told", agents.certificate_over, agents.EXPIRIES, hosts=1
    ),
    MirrorFault(
        "both switches claim one address",
        "each is believed over its own uplink, where it is expected",
        network.both_claim,
        network.CLAIMS,
        make_bed=network.TwoSwitches,
    ),
    MirrorFault(
        "45,000 events in a burst", "a change in their midst is followed", network.burst, network.BURSTS, hosts=1
    ),
    MirrorFault("link down and up", "entries are back 2 s later", network.link, network.LINKS, hosts=1, quick=True),
    MirrorFault("3,000 neighbours", "all as the switch has them, and no more", network.many, network.CHANGES, hosts=1),
)
