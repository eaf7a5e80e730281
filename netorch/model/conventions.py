"""Numbers and places that controller, agent and lab must agree on.

It imports nothing: the agent pays for every import at each call.
"""

KERNEL_PROTOCOL = 110
"""netorch's number for the routes, rules, neighbours and addresses that it installs (RTPROT, FRA_PROTOCOL,
NDA_PROTOCOL, IFA_PROTO); unassigned in iproute2's rt_protos.
"""

MAIN_TABLE = 254  # RT_TABLE_MAIN in linux/rtnetlink.h

MAX_SYMBOL = 63
"""The longest name of a session, in ASCII characters. BIRD 2.0.12 conf/conf.h: SYM_MAX_LEN 64 counts the end of the string."""

STATE_FOLDER = "/var/lib/netorch"
"""Where a device keeps what is netorch's; root's alone, since configurations hold passwords."""

CONFIGURATIONS = {"bird": "/etc/bird/bird.conf", "frr": "/etc/frr/frr.conf"}
"""The main configuration of each routing daemon."""

BIRD_SOCKET = "/run/bird/bird.ctl"
BIRD_STAMP = "NETORCH_STAMP"
"""The constant in a BIRD configuration that holds its stamp."""

FRR_DAEMONS = "/etc/frr/daemons"
"""Which of FRR's daemons run."""

VALIDATED_TABLES = {4: "validated_ipv4", 6: "validated_ipv6"}
"""The tables in a BIRD configuration that hold what validators say, by family."""

VALIDATORS, ORIGIN = "validators", "origin"
"""Facts to ask for: the validators; with them ``origin PREFIX ASN``, what they say of a prefix and who announces it."""

SILENT = "silent"
"""To be asked for with facts: those of a device whose routing daemon hangs as well; it has no version then, and does not run."""

FRR_STAMP = "netorch_stamp"
"""The route map in an FRR configuration whose description is its stamp; every daemon that knows route maps keeps it."""
