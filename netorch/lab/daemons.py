"""The daemons of the lab's nodes and how they are started."""

from __future__ import annotations

from netorch.lab.plan import Service
from netorch.model.capabilities import parse_version
from netorch.model.conventions import BIRD_SOCKET, CONFIGURATIONS, FRR_DAEMONS

BIRD_CONFIGURATION = CONFIGURATIONS["bird"]
EXABGP_CONFIGURATION = "/etc/exabgp/exabgp.conf"
EXABGP_RECEIVED = "/var/log/exabgp-received.log"
"""What ExaBGP hears from neighbours, a JSON document in each line."""
EXABGP_KEEPER = "/etc/exabgp/keep.sh"
"""The program that writes it down."""

GOBGP_CONFIGURATION = "/etc/gobgp/gobgpd.conf"
GOBGP_ANNOUNCE = "/etc/gobgp/announce.sh"
LAB_FOLDER = "/etc/netorch-lab"
DELAY_READY = "/run/netorch-lab/delay.ready"

# As Debian's unit and its start script have it.
BIRD = Service(
    "bird",
    ("/usr/sbin/bird", "-f", "-u", "bird", "-g", "bird", "-c", BIRD_CONFIGURATION),
    (("/run/bird", "bird", 0o775),),
    ready_file=BIRD_SOCKET,
)
_FRR_RUNNING = (("/run/frr", "frr", 0o755), ("/var/tmp/frr", "frr", 0o755))  # noqa: S108 - FRR's own choice
_FRR_ALWAYS = ("zebra", "staticd")
_FRR_ON_DEMAND = ("bgpd", "bfdd", "ospfd", "ospf6d", "ripd", "ripngd")
_FIRST_WITH_MGMTD = (9,)
SSHD = Service("sshd", ("/usr/sbin/sshd", "-D"), (("/run/sshd", "root", 0o755),), ready_port=22)
_EXABGP_ENVIRONMENT = ("exabgp_daemon_drop=false", "exabgp_api_cli=false", "exabgp_log_destination=stdout")


def routing_services(daemon: str, version: str) -> tuple[Service, ...]:
    """What runs on a device beside sshd. Of FRR's daemons those that always run, and those that /etc/frr/daemons names."""
    if daemon == "bird":
        return (BIRD,)
    management = "mgmtd" if parse_version(version) >= _FIRST_WITH_MGMTD else ""
    always = (*_FRR_ALWAYS, *((management,) if management else ()))
    return tuple(
        Service(
            name,
            ("/bin/bash", f"{LAB_FOLDER}/frr.sh", name, management),
            _FRR_RUNNING,
            ready_file=f"/run/frr/{name}.vty",
            enabled_by=() if name in always else (FRR_DAEMONS, f"{name}=yes"),
        )
        for name in (*always, *_FRR_ON_DEMAND)
    )


def speaker_services(speaker: str, exabgp: str) -> tuple[Service, ...]:
    """What runs in the node of a provider."""
    if speaker == "exabgp":
        return (Service("exabgp", ("/usr/bin/env", *_EXABGP_ENVIRONMENT, exabgp, "server", EXABGP_CONFIGURATION)),)
    if speaker == "gobgp":
        return (
            Service("gobgpd", ("/usr/bin/gobgpd", "-f", GOBGP_CONFIGURATION), ready_port=179),
            Service("announce", ("/bin/sh", GOBGP_ANNOUNCE), once=True),
        )
    return (BIRD,)


def internet_services() -> tuple[Service, ...]:
    """What runs in the Internet's node."""
    python = ("/usr/bin/python3", "-I", "-S")
    return (
        BIRD,
        Service(
            "delay",
            (*python, f"{LAB_FOLDER}/delay.py", f"{LAB_FOLDER}/delay.json", DELAY_READY),
            ready_file=DELAY_READY,
        ),
        Service("responder", (*python, f"{LAB_FOLDER}/responder.py", f"{LAB_FOLDER}/responder.json"), ready_port=80),
    )
