"""One switch and one provider of each relation that is measured, by themselves: no hosts, no lab."""

from __future__ import annotations

from pathlib import Path

from netorch.app.inventory import read_inventory
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import capabilities_of
from netorch.model.inventory import Inventory
from netorch.render import TemplateSource, render_for, seal

PROVIDER = "northtel"
SESSION = "northtel_1_v4"
NEIGHBOR, LOCAL = "203.0.113.1", "203.0.113.2"

_NETWORK = """name: policy
asn: 64500
own_prefixes: [192.0.2.0/24]
ssh: {{user: root}}
policy: {{ipv4: {{max_prefixes: 2000000, max_length: {longest}}}, keep_refused: {keeps}}}
plugins: []
"""
_PROVIDERS = "providers:\n  - {{name: northtel, id: 1, asn: 64496, relation: {relation}}}\n"
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
    folder: Path, *, prefixes: int, relation: str = "transit", longest: int = 24, keeps: bool = True
) -> Inventory:
    """Write the inventory to ``folder`` and read it back."""
    (folder / "pops").mkdir(parents=True)
    texts = {
        "network.yml": _NETWORK.format(longest=longest, keeps=str(keeps).lower()),
        "providers.yml": _PROVIDERS.format(relation=relation),
        "lab.yml": _LAB.format(prefixes=prefixes),
        "pops/pop1.yml": _POP,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return read_inventory(folder)


def configuration(inventory: Inventory, daemon: str, version: str) -> str:
    """What the switch would get, were it of ``daemon``."""
    can = capabilities_of(daemon, version)
    assert can is not None
    device = derive_intent(inventory).device("sw1.pop1")
    main = render_for(can, device, templates=TemplateSource(read_templates()))[0]
    return seal(main.text, lambda _: "", daemon=daemon)
