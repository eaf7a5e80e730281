"""A switch and a host configured by hand, without netorch: shows that the lab works in itself.

Played with sw2.pop1 and h1.pop1 of the example, and the two providers on that switch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from netorch.lab import exec_in
from netorch.model.types import Mac
from tests.lab.labs import Lab
from tests.waiting import wait_until

SWITCH, HOST, UPLINK = "sw2.pop1", "h1.pop1", "eth1"
SERVICE = {4: "192.0.2.11", 6: "2001:db8:1::11"}
OWN = {4: "192.0.2.0/24", 6: "2001:db8:1::/48"}


@dataclass(frozen=True)
class Line:
    """One provider on the switch, one family."""

    provider: str
    number: int
    asn: int
    version: int
    local: str
    neighbor: str

    @property
    def name(self) -> str:
        return f"{self.provider}{self.version}"


LINES = (
    Line("northtel", 1, 64496, 4, "203.0.113.6", "203.0.113.5"),
    Line("northtel", 1, 64496, 6, "2001:db8:c:2::2", "2001:db8:c:2::1"),
    Line("southnet", 2, 64497, 4, "203.0.113.10", "203.0.113.9"),
    Line("southnet", 2, 64497, 6, "2001:db8:c:3::2", "2001:db8:c:3::1"),
)
FABRIC = {4: ("10.1.2.1", "10.1.2.11"), 6: ("fd00:1:2::1", "fd00:1:2::11")}

_SWITCH_HEAD = """log syslog all;
router id 10.1.2.1;
protocol device { }
protocol direct { ipv4; ipv6; interface "br0"; }
protocol kernel { ipv4 { import none; export where proto = "host4"; }; }
protocol kernel { ipv6 { import none; export where proto = "host6"; }; }
"""
_HOST_HEAD = """log syslog all;
router id 10.1.2.11;
protocol device { }
protocol direct { ipv4; ipv6; interface "eth*"; }
protocol static own4 { ipv4; route 192.0.2.0/24 blackhole; route 192.0.2.11/32 blackhole; }
protocol static own6 { ipv6; route 2001:db8:1::/48 blackhole; route 2001:db8:1::11/128 blackhole; }
"""


def switch_configuration(passwords: dict[str, str], *, drained: str = "") -> str:
    """The switch's bird.conf; ``passwords`` by provider; routes to provider ``drained`` say graceful shutdown."""
    text = _SWITCH_HEAD
    for line in LINES:
        password = f'password "{passwords[line.provider]}";' if line.provider in passwords else ""
        community = "bgp_community.add((65535, 0));" if drained == line.provider else ""
        text += f"""
protocol bgp {line.name} {{
	local {line.local} as 64500;
	neighbor {line.neighbor} as {line.asn};
	connect delay time 1; connect retry time 3; error wait time 1, 4;
	{password}
	ipv{line.version} {{
		import filter {{
			bgp_large_community.add((64500, 1, {line.number}));
			# Drops the link-local next hop beside the global one; hosts would take it, and cannot resolve it.
			bgp_next_hop = {line.neighbor};
			accept;
		}};
		export filter {{ if net = {OWN[line.version]} then {{ {community} accept; }} reject; }};
		next hop self;
	}};
}}
"""
    for version, (switch, host) in FABRIC.items():
        text += f"""
protocol bgp host{version} {{
	local {switch} as 64500;
	neighbor {host} as 64500;
	rr client;
	connect delay time 1; connect retry time 3; error wait time 1, 4;
	ipv{version} {{ import all; export where source = RTS_BGP; add paths tx; next hop keep; }};
}}
"""
    return text


def host_configuration() -> str:
    """The host's bird.conf: one table per provider, and their union in the main table."""
    text = _HOST_HEAD
    for version, (switch, host) in FABRIC.items():
        usable = "if dest = RTD_UNREACHABLE then reject; if source != RTS_BGP then reject;"
        text += f"""
protocol kernel {{
	learn;
	ipv{version} {{
		import where net.len = {32 if version == 4 else 128};
		export filter {{ {usable} krt_prefsrc = {SERVICE[version]}; accept; }};
	}};
	merge paths on;
}}
protocol bgp switch{version} {{
	local {host} as 64500;
	neighbor {switch} as 64500;
	connect delay time 1; connect retry time 3; error wait time 1, 4;
	ipv{version} {{ import all; export where source = RTS_STATIC; add paths rx; gateway recursive; }};
}}
"""
        for number in sorted({line.number for line in LINES}):
            table = f"provider{number}_{version}"
            text += f"""
ipv{version} table {table};
protocol pipe {{
	table master{version};
	peer table {table};
	import none;
	export where (64500, 1, {number}) ~ bgp_large_community;
}}
protocol kernel {{
	kernel table {1000 + number};
	ipv{version} {{
		table {table};
		import none;
		export filter {{ {usable} krt_prefsrc = {SERVICE[version]}; accept; }};
	}};
}}
"""
    return text


def load(lab: Lab, node: str, text: str) -> None:
    """Replace a node's bird.conf and have BIRD read it."""
    lab.run(node, "sh", "-c", "cat > /etc/bird/bird.conf", stdin=text)
    lab.run(node, "birdc", "configure")


def configure_switch(lab: Lab, *, drained: str = "") -> None:
    """Load the switch's configuration."""
    secret = (lab.settings.state / "secrets/southnet").read_text().strip()
    # The switch has no route to those who send to its hosts, so even the loose filter drops their packets.
    lab.run(SWITCH, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.br0.rp_filter=0")
    load(lab, SWITCH, switch_configuration({"southnet": secret}, drained=drained))


def configure_host(lab: Lab) -> None:
    """Load the host's configuration, and what of its kernel BIRD does not set."""
    lab.sh(HOST, f"ip addr add {SERVICE[4]}/32 dev lo; ip addr add {SERVICE[6]}/128 dev lo nodad")
    lab.sh(HOST, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0")
    for number in sorted({line.number for line in LINES}):
        for version in (4, 6):
            lab.run(HOST, "ip", f"-{version}", "rule", "add", "fwmark", str(1000 + number), "table", str(1000 + number))
    load(lab, HOST, host_configuration())


def neighbour_mac(lab: Lab, line: Line) -> Mac:
    """The provider's MAC as the switch's kernel knows it; ValueError while it does not."""
    found = re.search(r"lladdr (\S+)", lab.run(SWITCH, "ip", "neigh", "show", line.neighbor, "dev", "br0"))
    return Mac(found[1] if found else "")


def mirror(lab: Lab) -> None:
    """Do for the host what the mirror does: the providers' MACs, and their addresses as directly connected."""
    for line in LINES:
        mac = neighbour_mac(lab, line)
        lab.sh(HOST, f"ip neigh replace {line.neighbor} lladdr {mac} nud permanent dev {UPLINK}")
        if line.version == 4:
            lab.sh(HOST, f"ip addr add {FABRIC[4][1]} peer {line.neighbor} dev {UPLINK}")
        else:
            lab.sh(HOST, f"ip -6 route replace {line.neighbor}/128 dev {UPLINK} proto 110")


def established(lab: Lab, node: str, *protocols: str) -> bool:
    """Whether all of these BGP sessions are up."""
    lines = lab.run(node, "birdc", "show", "protocols").splitlines()
    up = {words[0] for words in map(str.split, lines) if words and words[-1] == "Established"}
    return up.issuperset(protocols)


def kernel_routes(lab: Lab, node: str, table: int | str, version: int) -> set[str]:
    """The prefixes in a kernel table."""
    argv = ["ip", f"-{version}", "route", "show", "table", str(table), "proto", "bird"]
    done = exec_in(node, argv, lab.settings)
    # A table begins to exist with its first route.
    assert done.returncode == 0 or b"table does not exist" in done.stderr, done.stderr
    text = done.stdout.decode()
    host = "/32" if version == 4 else "/128"
    # Further next hops of one route stand on lines of their own, indented.
    words = [line.split()[0] for line in text.splitlines() if line and not line[0].isspace()]
    return {word if "/" in word else word + host for word in words}


def bring_up(lab: Lab) -> None:
    """Switch, host and mirror; returns once routes of every provider are in the host's kernel and the Internet replies."""
    configure_switch(lab)
    configure_host(lab)
    names = [line.name for line in LINES]
    wait_until(
        lambda: established(lab, SWITCH, *names, "host4", "host6"),
        timeout_s=60,
        what="the switch's sessions are established",
    )
    mirror(lab)

    def carried() -> bool:
        filled = all(len(kernel_routes(lab, HOST, 1000 + line.number, line.version)) > 10 for line in LINES)
        return filled and all(OWN[version] in kernel_routes(lab, "internet", "main", version) for version in OWN)

    wait_until(carried, timeout_s=30, what="the host's tables fill and the Internet knows the way back")
