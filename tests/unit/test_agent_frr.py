"""What the agent reads of FRR's configurations and answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netorch.agent import frr_hook
from netorch.agent.frr_programs import asked_for
from netorch.agent.frr_reload import complaint
from netorch.agent.frr_text import changes_policy, redacted, session_names, shown_stamp, stamp_of
from netorch.model.frr_lines import statements
from netorch.model.frr_words import session_error, session_state, split_description

FILE = """\
! rendered by netorch; do not edit
frr defaults traditional
hostname sw1.pop1
router bgp 64500
 bgp router-id 10.1.1.1
 neighbor 203.0.113.1 remote-as 64496
 !
 address-family ipv4 unicast
  neighbor 203.0.113.1 activate
 exit-address-family
exit
!
route-map netorch_stamp deny 1
 description 9e41207a178084b8
exit
"""
# As two programs show their parts of it.
BGPD = """\
Current configuration:
!
frr version 8.4.4
frr defaults traditional
hostname another-name
!
router bgp 64500
 bgp router-id 10.1.1.1
 neighbor 203.0.113.1 remote-as 64496
 !
 address-family ipv4 unicast
  neighbor 203.0.113.1 activate
 exit-address-family
exit
!
end
"""
ZEBRA = "frr defaults traditional\n!\nroute-map netorch_stamp deny 1\n description 9e41207a178084b8\nexit\n!\nend\n"


def test_names_of_sessions_are_read_from_descriptions() -> None:
    """An address or an interface, with the name in front of its description; one without a name has none."""
    text = (
        "router bgp 64500\n"
        " neighbor 203.0.113.1 description [northtel_1_v4] Northtel [old]\n"
        " neighbor up1 description [spine1_up1_ll]\n"
        " neighbor 203.0.113.5 description by hand [x]\n"
    )
    assert session_names(text) == {"203.0.113.1": "northtel_1_v4", "up1": "spine1_up1_ll"}


def test_what_all_programs_show_together_is_the_file() -> None:
    """Each shows its part; comments, ends of sections, the system's name and FRR's own version are nobody's."""
    assert statements([BGPD, ZEBRA]) == statements([FILE])


@pytest.mark.parametrize(
    "other",
    [
        BGPD.replace("  neighbor 203.0.113.1 activate\n", ""),
        BGPD.replace("exit\n!\nend", " neighbor 203.0.113.1 shutdown\nexit\n!\nend"),
        BGPD.replace("ipv4 unicast", "ipv6 unicast"),
        f"{BGPD}ip route 10.0.0.0/8 blackhole\n",
    ],
    ids=["less", "more", "elsewhere", "another section"],
)
def test_any_other_line_is_a_difference(other: str) -> None:
    """A line is the same only in the same place."""
    assert statements([other, ZEBRA]) != statements([FILE])


def test_stamp_is_read_from_file_and_answer() -> None:
    """The file has it as the description of a route map, and so has the answer of a program."""
    answer = "ZEBRA:\nroute-map: netorch_stamp Invoked: 0\n deny, sequence 1 Invoked 0\n  Description:\n    9e41207a178084b8\n"
    assert stamp_of(FILE) == shown_stamp(answer) == "9e41207a178084b8"
    assert stamp_of("router bgp 64500\n") is None
    assert shown_stamp("BGP:\n") is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (" neighbor 203.0.113.1 password hunter2", "neighbor 203.0.113.1 password ..."),
        (" neighbor 203.0.113.1 passwrod hunter2", "neighbor 203.0.113.1 passwrod ..."),
        (" ip ospf message-digest-key 1 md5 hunter2", "ip ospf message-digest-key ..."),
        (" ip rip authentication string hunter2", "ip rip authentication ..."),
        ("  key-string hunter2", "key-string ..."),
        (" no neighbor 203.0.113.1 password hunter2", "no neighbor 203.0.113.1 password ..."),
        ("ip prefix-list own_ipv4 seq 5 permit 192.0.2.0/33", "ip prefix-list own_ipv4 seq 5 permit 192.0.2.0/33"),
    ],
)
def test_line_with_a_secret_is_cut(line: str, shown: str) -> None:
    """Of a line that may hold one only the first words are shown, however its keyword is spelt."""
    assert redacted(line) == shown


def test_complaint_names_line_and_number() -> None:
    """The first complaint of ``vtysh -C``, with the line that it is about, without its secret."""
    said = "line 2: % Unknown command[25]:  neighbor 10.0.0.1 passwrd hunter2\nline 3: % Command incomplete[4]: foo\n\n"
    text = "router bgp 64500\n neighbor 10.0.0.1 passwrd hunter2\nfoo\n"
    found = complaint(said, path="/etc/frr/frr.conf", text=text)
    assert found.startswith(
        "FRR refuses /etc/frr/frr.conf:2: Unknown command (and 1 more)\n  2 | neighbor 10.0.0.1 passwrd"
    )
    assert "hunter2" not in found


def test_programs_are_those_of_the_file() -> None:
    """What always runs, and what has another value than no; other settings are no programs."""
    text = "bgpd=yes\nbfdd=no\nripd=\nospfd=0\nospf6d='yes'\n#isisd=yes\nvtysh_enable=yes\nzebra_options=\" -A 127.0.0.1\"\n"
    assert [name for name in asked_for(text) if name != "mgmtd"] == ["zebra", "staticd", "bgpd", "ospf6d"]


@pytest.mark.parametrize(
    ("word", "off", "over", "passive", "state"),
    [
        ("Established", False, False, False, ("up", "Established")),
        ("Idle", True, False, False, ("down", "Down")),
        ("Idle", False, True, False, ("down", "Down")),
        ("Active", False, False, True, ("start", "Passive")),
        ("Connect", False, False, False, ("start", "Connect")),
    ],
)
def test_state_is_said_as_bird_says_it(word: str, off: bool, over: bool, passive: bool, state: tuple[str, str]) -> None:
    """The table of docs/daemons.md."""
    assert session_state(word, is_off=off, is_over_limit=over, is_passive=passive) == state


def test_error_is_said_as_bird_says_it() -> None:
    """A notification by its code, other ends by their cause, waiting is no error."""
    code, sent = "0602", "BGP Notification received"
    assert session_error(sent, code=code, reason=None, is_over_limit=False) == "Received: Administrative shutdown"
    assert session_error("Interface down", code=None, reason=None, is_over_limit=False) == "Error: Link down"
    assert session_error("Waiting for peer OPEN", code=None, reason=None, is_over_limit=False) is None
    assert session_error(None, code=None, reason=None, is_over_limit=True) == "Automatic shutdown: Route limit exceeded"


def test_name_is_taken_from_the_description() -> None:
    """The name in brackets, and what people see."""
    assert split_description("[northtel_1_v4] Northtel, NT-100231") == ("northtel_1_v4", "Northtel, NT-100231")
    assert split_description("[h1_v4]") == ("h1_v4", None)
    assert split_description("typed by hand") == (None, "typed by hand")
    assert split_description(None) == (None, None)


SCRIPT = """\
import os, subprocess, sys
def vtysh(*words):
    process = subprocess.Popen(["vtysh", *words], stdout=subprocess.PIPE)
    out, _ = process.communicate()
    return process.wait(), out.decode()
print(vtysh("-c", "configure", "-c", "router bgp 1", "-c", " no neighbor 10.0.0.1 password hunter2"))
print(vtysh("-c", "write"))
with open(sys.argv[3] + "/reload-ABCDEF.txt", "w") as file:
    file.write("ip route 10.0.0.0/8 blackhole\\nip protocol bgp route-map m\\nroute-map m permit 1\\n set src 10.0.0.1\\n")
print(vtysh("-f", sys.argv[3] + "/reload-ABCDEF.txt"))
os.unlink(sys.argv[3] + "/reload-ABCDEF.txt")
print(vtysh("-c", "show running-config no-header"))
open(sys.argv[3] + "/left", "w").close()
print(oct(os.stat(sys.argv[3] + "/left").st_mode & 0o777))
"""
VTYSH = """\
#!/bin/sh
echo "$@" >> "$CALLS"
[ "$1" = -f ] && cat "$2" && stat -c %a "$2" && exit 3
exit 0
"""


def test_commands_are_given_to_vtysh_in_a_private_file(tmp_path: Path) -> None:
    """No argument list has them; the exit status is vtysh's; ``write`` never happens; what is left is nobody else's. What says
    which map decides on the kernel comes after the maps, and before static routes."""
    (tmp_path / "run").mkdir()
    (tmp_path / "vtysh").write_text(VTYSH)
    (tmp_path / "vtysh").chmod(0o755)
    (tmp_path / "script.py").write_text(SCRIPT)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path}:{os.defpath}", "CALLS": str(calls)}
    hook = Path(frr_hook.__file__).read_text()
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            hook,
            str(tmp_path / "script.py"),
            "--test",
            "--rundir",
            str(tmp_path / "run"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    typed = "router bgp 1\\n no neighbor 10.0.0.1 password hunter2\\n600\\n"
    maps, to_kernel, routes = "route-map m permit 1", "ip protocol bgp route-map m", "ip route 10.0.0.0/8 blackhole"
    added = f"{maps}\\n set src 10.0.0.1\\n600\\n{to_kernel}\\n600\\n{routes}\\n600\\n"
    assert done.stdout.splitlines() == [f"(3, '{typed}')", "(0, '')", f"(3, '{added}')", "(0, '')", "0o600"]
    asked = calls.read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["-f", "-f", "-f", "-f", "-c"]
    assert "hunter2" not in calls.read_text()
    assert "write" not in calls.read_text()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["left"]


@pytest.mark.parametrize(
    ("line", "is_policy"),
    [
        ("route-map northtel_in permit 10", True),
        ("ipv6 prefix-list own_ipv6 seq 5 permit 2001:db8::/32", True),
        ("route-map netorch_stamp deny 1", False),
        ("ip route 10.0.0.0/8 blackhole", False),
    ],
)
def test_policies_are_route_maps_and_their_lists(line: str, is_policy: bool) -> None:
    """What FRR would put to work only seconds later; the stamp is none of it."""
    assert changes_policy(statements([f"{line}\n description x\n"])) == is_policy
