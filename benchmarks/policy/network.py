"""One switch and one provider of each relation that is measured, by themselves: no hosts, no lab."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path

from netorch.app.inventory import read_inventory
from netorch.intent import derive_intent
from netorch.io.registry_files import write_irr
from netorch.io.template_files import read_templates
from netorch.lab.routes import good_routes
from netorch.lab.topology import speaker_of
from netorch.model.capabilities import capabilities_of
from netorch.model.inventory import Inventory
from netorch.model.lab import Roa
from netorch.model.sources import IrrAnswer
from netorch.model.types import Family
from netorch.render import TemplateSource, render_for, seal

PROVIDER = "northtel"
SESSION = "northtel_1_v4"
NEIGHBOR, LOCAL = "203.0.113.1", "203.0.113.2"
VALIDATOR_PORT = 8282
ORIGINS = 100
"""So many AS numbers originate all that the provider of the row with all filters announces: FRR tries those of an IRR's list one
by one, and netorch refuses longer lists for 8.4.4."""

_INVALID_EVERY = 100
_LONGEST = 24
_FIRST_ORIGIN = 3000
_AS_SET = "AS-NORTHTEL"

_NETWORK = """name: policy
asn: 64500
own_prefixes: [192.0.2.0/24]
ssh: {{user: root}}
policy: {{ipv4: {{max_prefixes: 2000000, max_length: {longest}}}, keep_refused: {keeps}}}
plugins: []
"""
_SOURCES = f"""rpki:
  validators:
    - {{name: rpki1, address: {LOCAL}, port: {VALIDATOR_PORT}}}
registries: {{irr: {{server: whois.example.net}}}}
"""
_PROVIDERS = "providers:\n  - {{name: northtel, id: 1, asn: 64496, relation: {relation}{irr}}}\n"
_IRR = f", irr: {{as_set: {_AS_SET}, longer_prefixes: true}}"
_LAB = "speakers:\n  - {{provider: northtel, prefixes_ipv4: {prefixes}, prefixes_ipv6: 0}}\n"
_POP = """name: pop1
switches:
  - name: sw1
    ssh: {address: 198.18.1.1}
    fabric: {interface: br0, ipv4: 10.1.1.1/24, ipv6: fd00:1:1::1/64}
    ports: [swp1, swp11]
hosts:
  - name: h1
    ssh: {address: 198.18.1.11}
    service: [192.0.2.11]
    uplinks:
      - {interface: eth0, switch: sw1, port: swp11, ipv4: 10.1.1.11/24, ipv6: fd00:1:1::11/64}
circuits:
  - id: 1
    name: northtel-pop1
    provider: northtel
    switch: sw1
    port: swp1
    ipv4: {local: 203.0.113.2/30, neighbor: 203.0.113.1}
prefixes:
  - {prefix: 192.0.2.0/24, originators: [h1]}
"""


def write_inventory(
    folder: Path,
    *,
    prefixes: int,
    relation: str = "transit",
    longest: int = 24,
    keeps: bool = True,
    sources: bool = False,
) -> Inventory:
    """Write the inventory to ``folder`` and read it back. ``sources``: routes are held against a validator and an IRR too, in
    which all that the provider announces is registered."""
    (folder / "pops").mkdir(parents=True)
    texts = {
        "network.yml": _NETWORK.format(longest=longest, keeps=str(keeps).lower()) + (_SOURCES if sources else ""),
        "providers.yml": _PROVIDERS.format(relation=relation, irr=_IRR if sources else ""),
        "lab.yml": _LAB.format(prefixes=prefixes),
        "pops/pop1.yml": _POP,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    if sources:
        blocks = tuple(IPv4Network((number << 24, 8)) for number in range(1, 224))
        asns = tuple(range(_FIRST_ORIGIN, _FIRST_ORIGIN + ORIGINS))
        write_irr(str(folder.parent / "registries"), PROVIDER, IrrAnswer(_AS_SET, 0.0, asns, blocks))
    return read_inventory(folder)


def origin_of(asn: int) -> int:
    """The one of the few origins that stands for ``asn``."""
    return _FIRST_ORIGIN + asn % ORIGINS


def listed(inventory: Inventory) -> Iterator[Roa]:
    """What the validator lists: half as many prefixes as are announced with their origin, of a hundred of these one with another.
    None that has others inside, which it would make invalid."""
    routes = good_routes(inventory, PROVIDER, Family.IPV4)
    longest = ((address, path) for address, length, path in routes if length == _LONGEST)
    half = speaker_of(inventory, PROVIDER).prefixes_ipv4 // 2
    for number, (address, path) in enumerate(islice(longest, half)):
        asn = _FIRST_ORIGIN - 1 if number % _INVALID_EVERY == 0 else origin_of(path[-1])
        yield Roa(IPv4Network((address, _LONGEST)), _LONGEST, asn)


def configuration(inventory: Inventory, daemon: str, version: str) -> str:
    """What the switch would get, were it of ``daemon``."""
    can = capabilities_of(daemon, version)
    assert can is not None
    device = derive_intent(inventory).device("sw1.pop1")
    main = render_for(can, device, templates=TemplateSource(read_templates()))[0]
    return seal(main.text, lambda _: "", daemon=daemon)
