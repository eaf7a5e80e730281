"""The configuration of the emulated providers' daemons and of the Internet's. None of it comes from netorch's own templates."""

from __future__ import annotations

import io
import json
import zlib
from ipaddress import IPv4Address, IPv6Address
from itertools import chain
from typing import Any

import jinja2

from netorch.data import data_text
from netorch.errors import RenderError
from netorch.lab.daemons import (
    BIRD_CONFIGURATION,
    EXABGP_CONFIGURATION,
    EXABGP_KEEPER,
    EXABGP_RECEIVED,
    GOBGP_ANNOUNCE,
    GOBGP_CONFIGURATION,
    LAB_FOLDER,
)
from netorch.lab.files import internet_programs
from netorch.lab.routes import announcements, bad_announcements, good_routes
from netorch.lab.topology import (
    core_interface,
    core_link,
    delay_interface,
    impaired,
    played,
    speaker_of,
)
from netorch.model.inventory import Circuit, Inventory, Provider
from netorch.model.types import Family


def speaker_files(inventory: Inventory, provider: Provider, passwords: dict[int, str]) -> dict[str, str]:
    """The files of the daemon that plays ``provider``, by path. ``passwords`` are by circuit id."""
    for circuit_id, password in passwords.items():
        if any(char in password for char in "\"'\\\n"):
            raise RenderError(f"the password of circuit {circuit_id} has a quote, backslash or line break", where="lab")
    speaker = speaker_of(inventory, provider.name).speaker
    if speaker == "exabgp":
        # What it says on its standard output would be commands, and closing that would end it.
        keeper = f"exec 3>&1 >>{EXABGP_RECEIVED}\nexec cat\n"
        return {EXABGP_CONFIGURATION: _exabgp(inventory, provider, passwords), EXABGP_KEEPER: keeper}
    if speaker == "gobgp":
        return {
            GOBGP_CONFIGURATION: _gobgp(inventory, provider, passwords),
            GOBGP_ANNOUNCE: _gobgp_announcements(inventory, provider),
        }
    return _bird(inventory, provider, passwords)


def internet_files(inventory: Inventory) -> dict[str, str]:
    """The files of the Internet's daemons, by path."""
    lines, names = [], {}
    for provider in played(inventory):
        speaker = speaker_of(inventory, provider.name)
        slow = impaired(speaker)
        names[delay_interface(provider) if slow else core_interface(provider)] = provider.name
        if slow:
            lines.append(
                {
                    "tun": delay_interface(provider),
                    "delay_ms": speaker.delay_ms,
                    "jitter_ms": speaker.jitter_ms,
                    "loss_percent": speaker.loss_percent,
                    "seed": zlib.crc32(provider.name.encode()),
                }
            )
    sessions = [
        {**_core_session(provider, family), "name": f"{_symbol(provider)}_{family.number}", "asn": provider.asn}
        for provider in played(inventory)
        if speaker_of(inventory, provider.name).speaker == "bird"
        for family in Family
    ]
    families = []
    for family in Family:
        own = [prefix for prefix in inventory.own_prefixes if prefix.version == family.number]
        if own:
            prefixes = ", ".join(f"{prefix}+" for prefix in own)
            families.append({**_names(family), "own_prefixes": prefixes, "fixed": _fixed_routes(inventory, family)})
    known = {family["name"] for family in families}
    text = _render(
        "internet.conf.j2",
        router_id="100.64.0.0",
        families=families,
        sessions=[session for session in sessions if session["family"] in known],
        internet_asn=internet_asn(inventory),
    )
    return {
        BIRD_CONFIGURATION: text,
        f"{LAB_FOLDER}/delay.json": json.dumps(lines),
        f"{LAB_FOLDER}/responder.json": json.dumps(names),
        **internet_programs(),
    }


def internet_asn(inventory: Inventory) -> int:
    """The Internet's ASN: one for documentation (RFC 5398) that the inventory does not use."""
    used = {inventory.asn, *(provider.asn for provider in inventory.providers)}
    return next(asn for asn in range(64511, 64495, -1) if asn not in used)


def bird_routes(inventory: Inventory, provider: str, family: Family) -> str:
    """What ``provider`` announces, as routes of a BIRD static protocol."""
    make = IPv4Address if family is Family.IPV4 else IPv6Address
    bad = ((announcement.prefix, announcement.path) for announcement in bad_announcements(inventory, provider, family))
    good = ((f"{make(address)}/{length}", path) for address, length, path in good_routes(inventory, provider, family))
    out = io.StringIO()
    for prefix, path in chain(bad, good):
        prepends = "".join([f"bgp_path.prepend({asn});" for asn in reversed(path)])
        out.write(f"route {prefix} blackhole {{{prepends}}};\n")
    return out.getvalue()


def _bird(inventory: Inventory, provider: Provider, passwords: dict[int, str]) -> dict[str, str]:
    text = _render(
        "provider.conf.j2",
        router_id=core_link(provider, Family.IPV4)[1],
        asn=provider.asn,
        customer_asn=inventory.asn,
        internet_asn=internet_asn(inventory),
        families=[_names(family) for family in Family],
        sessions=_circuit_sessions(inventory, provider, passwords),
        cores=[_core_session(provider, family) for family in Family],
        bfd=inventory.bfd.providers if any(c.bfd for c in _circuits(inventory, provider)) else None,
    )
    routes = {f"/etc/bird/announced{f.number}.conf": bird_routes(inventory, provider.name, f) for f in Family}
    return {BIRD_CONFIGURATION: text, **routes}


def _circuit_sessions(inventory: Inventory, provider: Provider, passwords: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {
            **_names(family),
            "name": f"circuit{circuit.id}_{family.number}",
            "family": family.value,
            "local": addresses.neighbor,
            "neighbor": addresses.local.ip,
            "password": passwords.get(circuit.id, ""),
            "bfd": circuit.bfd,
            "gtsm": circuit.gtsm,
        }
        for circuit in _circuits(inventory, provider)
        for family in Family
        if (addresses := circuit.addresses(family)) is not None
    ]


def _circuits(inventory: Inventory, provider: Provider) -> list[Circuit]:
    return [circuit for circuit in inventory.circuits if circuit.provider == provider.name]


def _core_session(provider: Provider, family: Family) -> dict[str, Any]:
    core, own, _ = core_link(provider, family)
    return {**_names(family), "family": family.value, "core": core, "own": own}


def _names(family: Family) -> dict[str, Any]:
    return {"name": family.value, "number": family.number}


def _symbol(provider: Provider) -> str:
    return f"provider{provider.id}"


def _fixed_routes(inventory: Inventory, family: Family) -> list[dict[str, object]]:
    routes: dict[str, dict[str, object]] = {}
    for pop in inventory.pops:
        for service_prefix in pop.prefixes:
            prefix = service_prefix.prefix
            for name in sorted({circuit.provider for circuit in pop.circuits}):
                if prefix.version == family.number and speaker_of(inventory, name).speaker != "bird":
                    via = core_link(inventory.provider(name), family)[1]
                    routes.setdefault(str(prefix), {"prefix": prefix, "via": via})
    return list(routes.values())


def _render(template: str, **values: object) -> str:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(data_text(f"templates/lab/{template}")).render(**values)


def _exabgp(inventory: Inventory, provider: Provider, passwords: dict[int, str]) -> str:
    routes = {
        family: [
            {"prefix": prefix, "path": " ".join(map(str, (provider.asn, *path)))}
            for prefix, path, _ in announcements(inventory, provider.name, family)
        ]
        for family in Family
    }
    return _render(
        "exabgp.conf.j2",
        keeper=EXABGP_KEEPER,
        router_id=core_link(provider, Family.IPV4)[1],
        asn=provider.asn,
        customer_asn=inventory.asn,
        sessions=[
            {**session, "routes": routes[Family(session["family"])]}
            for session in _circuit_sessions(inventory, provider, passwords)
        ],
    )


def _gobgp(inventory: Inventory, provider: Provider, passwords: dict[int, str]) -> str:
    return _render(
        "gobgpd.conf.j2",
        router_id=core_link(provider, Family.IPV4)[1],
        asn=provider.asn,
        customer_asn=inventory.asn,
        sessions=_circuit_sessions(inventory, provider, passwords),
    )


def _gobgp_announcements(inventory: Inventory, provider: Provider) -> str:
    """A script, since gobgpd takes routes only while it runs: about 50 a second."""
    lines = ["until gobgp global rib summary >/dev/null 2>&1; do sleep 0.1; done"]
    for family in Family:
        for prefix, path, _ in announcements(inventory, provider.name, family):
            lines.append(f"gobgp global rib add -a {family.value} {prefix} aspath {','.join(map(str, path))}")
    return "\n".join(lines) + "\n"
