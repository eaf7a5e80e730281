"""The twin's inventory: the POPs of a rehearsal as the lab can play them on a machine of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Optional

from netorch.lab import LabSettings, provider_interface, rootfs_folder
from netorch.lab.keys import IDENTITY, KNOWN_HOSTS
from netorch.lab.plan import mac_of
from netorch.lab.topology import played
from netorch.model.facts import DeviceFacts
from netorch.model.inventory import Circuit, Inventory, Pop, Ssh
from netorch.model.items import NeighbourItem
from netorch.model.lab import LabSpeaker
from netorch.model.sessions import SecretRef
from netorch.model.sources import Rpki
from netorch.model.types import IPAddress, Mac
from netorch.plan.daemons import configuration_text, language_of
from netorch.rehearsal.brief import Brief, GivenSecrets

STATE = Path("/run/netorch-rehearsal")
FIRST_ADDRESS = IPv4Address("198.18.0.1")
_SCHEME = "twin"


@dataclass(frozen=True)
class Twin:
    """``inventory`` is what the lab boots, the POPs concerned and no others. The whole networks are as their folders say, but
    reach the twin's devices: ``candidate``, and ``base`` where there is one.
    """

    inventory: Inventory
    candidate: Inventory
    base: Optional[Inventory]
    settings: LabSettings

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device that is played."""
        return tuple(device.name for device in self.inventory.devices)

    def macs(self) -> Mapping[IPAddress, Mac]:
        """The MAC address of every provider's address in the twin."""
        return {
            addresses.neighbor: Mac(mac_of(circuit.provider, provider_interface(circuit)))
            for circuit in self.inventory.circuits
            for addresses in (circuit.ipv4, circuit.ipv6)
            if addresses is not None
        }


@dataclass(frozen=True)
class Network:
    """A whole network as its folder says it, and the secrets that it names."""

    inventory: Inventory
    secrets: GivenSecrets


def make_twin(
    brief: Brief,
    after: Network,
    before: Optional[Network],
    *,
    pops: tuple[str, ...],
    environment: Mapping[str, str],
) -> Twin:
    """The twin of ``pops``. Circuits that the candidate has no more are still plugged in, as they are today.

    ``environment`` may say where the lab's root file systems are.
    """
    candidate, base = after.inventory, before.inventory if before is not None else None
    chosen = tuple(_with_present_circuits(pop, base) for pop in candidate.pops if pop.name in pops)
    passwords = _passwords(brief, chosen, after, before)
    ssh = _ways_in(chosen)
    known = {provider.name for provider in candidate.providers}
    gone = [provider for provider in base.providers if provider.name not in known] if base is not None else []
    small = replace(
        candidate,
        # The lab plays no validators at their real addresses: switches miss them, and hold nothing against them.
        pops=tuple(replace(_with_passwords(pop, passwords), rpki=Rpki()) for pop in chosen),
        providers=(*candidate.providers, *gone),
    )
    speakers = (LabSpeaker(p.name, prefixes_ipv4=brief.prefixes, prefixes_ipv6=brief.prefixes) for p in played(small))
    secrets = GivenSecrets({f"{_SCHEME}:{circuit}": password for circuit, password in passwords.items()})
    return Twin(
        inventory=replace(_addressed(small, ssh), lab=tuple(speakers), stations=()),
        candidate=_addressed(candidate, ssh),
        base=_addressed(base, ssh) if base is not None else None,
        settings=LabSettings(state=STATE, run=STATE / "lab", secrets=secrets, rootfs=rootfs_folder(environment)),
    )


def present_neighbours(facts: DeviceFacts, macs: Mapping[IPAddress, Mac]) -> DeviceFacts:
    """``facts`` with the MAC addresses of the twin's providers in the place of the real ones."""
    items = (
        replace(item, mac=macs[item.address]) if isinstance(item, NeighbourItem) else item
        for item in facts.items
        if not isinstance(item, NeighbourItem) or item.address in macs
    )
    return replace(facts, items=tuple(items))


def _with_present_circuits(pop: Pop, base: Optional[Inventory]) -> Pop:
    if base is None:
        return pop
    switches = {switch.name for switch in pop.switches}
    ids, names = {circuit.id for circuit in pop.circuits}, {circuit.name for circuit in pop.circuits}
    taken = {(circuit.switch, circuit.port, circuit.vlan) for circuit in pop.circuits}
    gone = [
        circuit
        for other in base.pops
        if other.name == pop.name
        for circuit in other.circuits
        if circuit.switch in switches
        and circuit.id not in ids
        and circuit.name not in names
        and (circuit.switch, circuit.port, circuit.vlan) not in taken
    ]
    return replace(pop, circuits=(*pop.circuits, *gone))


def _ways_in(pops: tuple[Pop, ...]) -> dict[str, Ssh]:
    """How each device's twin is reached; real management addresses are none that the lab takes."""
    names = sorted(device.name for pop in pops for device in pop.devices)
    return {
        name: Ssh(
            address=str(FIRST_ADDRESS + number),
            port=22,
            user="root",
            known_hosts=str(STATE / KNOWN_HOSTS),
            identity=str(STATE / IDENTITY),
        )
        for number, name in enumerate(names)
    }


def _addressed(inventory: Inventory, ssh: Mapping[str, Ssh]) -> Inventory:
    """``inventory`` with the twin's devices where its own are: what happens to them belongs in no audit log, and the network's
    authority issues nothing to them."""

    def addressed(pop: Pop) -> Pop:
        return replace(
            pop,
            switches=tuple(replace(switch, ssh=ssh.get(switch.name, switch.ssh)) for switch in pop.switches),
            hosts=tuple(replace(host, ssh=ssh.get(host.name, host.ssh)) for host in pop.hosts),
        )

    return replace(inventory, pops=tuple(map(addressed, inventory.pops)), audit=None, pki=None)


# ---- what providers believe the passwords to be -------------------------------------------------------------------


def _with_passwords(pop: Pop, passwords: Mapping[int, str]) -> Pop:
    def known(circuit: Circuit) -> Circuit:
        reference = SecretRef(_SCHEME, str(circuit.id)) if circuit.id in passwords else None
        return replace(circuit, password=reference)

    return replace(pop, circuits=tuple(map(known, pop.circuits)))


def _passwords(brief: Brief, pops: tuple[Pop, ...], after: Network, before: Optional[Network]) -> dict[int, str]:
    """By circuit id. A provider has the password of today until its people change it, whatever the candidate says."""
    today = {circuit.id: circuit for circuit in before.inventory.circuits} if before is not None else {}
    found = {}
    for circuit in (circuit for pop in pops for circuit in pop.circuits):
        facts = brief.facts.get(circuit.switch)
        live = _live_passwords(facts) if facts is not None else None
        addresses = [str(a.neighbor) for a in (circuit.ipv4, circuit.ipv6) if a is not None]
        if live is not None and any(address in live for address in addresses):
            password = next((live[address] for address in addresses if live.get(address)), None)
        elif before is not None and facts is None and circuit.id in today:
            password = _password(today[circuit.id], before.secrets)
        else:
            password = _password(circuit, after.secrets)
        if password is not None:
            found[circuit.id] = password
    return found


def _password(circuit: Circuit, secrets: GivenSecrets) -> Optional[str]:
    return secrets.values.get(str(circuit.password)) if circuit.password is not None else None


def _live_passwords(facts: DeviceFacts) -> dict[str, Optional[str]]:
    """The password, None without one, of every session in a device's configuration, by the neighbour's address."""
    daemon = facts.daemon.name
    return language_of(daemon).read_passwords(configuration_text(facts, daemon))
