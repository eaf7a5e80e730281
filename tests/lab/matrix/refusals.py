"""What must not be done in a cell: a file with a mistake, a device that is another one, a device that is dead."""

from __future__ import annotations

from netorch.lab import exec_in, set_service
from tests.lab.deployed_pop import POP
from tests.lab.matrix.bench import Bench, stamps
from tests.lab.quick_lab import Project

BROKEN = {
    "bird": "protocol static oops {\n    ipv4\n    route 192.0.2.99/32 blackhole;\n}\n",
    "frr": "router bgp 64500\n neighbor 203.0.113.77 wishes a good night\nexit\n",
}
"""In an operator's template, by daemon."""

COMPLAINTS = {
    "bird": (
        "BIRD refuses /etc/bird/bird.conf:",
        "syntax error, unexpected ROUTE, expecting ';' or '{'",
        " |     route 192.0.2.99/32 blackhole;\n",
        "|     ^\n",
    ),
    # What follows may be a secret.
    "frr": ("FRR refuses /etc/frr/frr.conf:", "Unknown command", "neighbor 203.0.113.77 wishes ..."),
}

OTHER_KEY, DEAD, WELL = "h2.pop1", "h3.pop1", "h1.pop1"
RULE = ("ip", "rule", "show", "pref", "10001")


def check_refusals(bench: Bench) -> None:
    """A mistake in a file is told in the daemon's own words with its line, on a switch and on a host, and changes nothing; a
    wrong host key and a dead device fail alone, and the exit code is 3."""
    before = stamps(bench, POP)
    for device, role in (("sw1.pop1", "switch"), ("h1.pop1", "host")):
        daemon = (bench.cell.switch if role == "switch" else bench.cell.host).daemon
        mistaken = bench.quick.project.copy(bench.folder / f"broken-{role}")
        mistaken.override(f"{daemon}/local-{role}.conf.j2", BROKEN[daemon])
        said = mistaken("deploy", device, "--yes", code=1)
        missing = [text for text in COMPLAINTS[daemon] if text not in said.out + said.err]
        assert not missing, f"{missing} in {said.out}{said.err}"
    assert stamps(bench, POP) == before
    _fail_alone(bench)


def _fail_alone(bench: Bench) -> None:
    lab, stranger = bench.quick.lab, bench.quick.project.copy(bench.folder / "stranger")
    _confuse_keys(stranger)
    for host in (WELL, OTHER_KEY):
        exec_in(host, ("ip", "rule", "del", "pref", "10001"), lab.settings)
    set_service(DEAD, "sshd", lab.settings, running=False)
    try:
        said = stranger("deploy", POP, "--yes", code=3)
    finally:
        set_service(DEAD, "sshd", lab.settings, running=True)
    results = {line.split()[0]: line.split()[1] for line in said.out.splitlines() if line[:1] in ("h", "s")}
    assert results.pop(DEAD) == "failed", said.out
    assert results.pop(OTHER_KEY) == "failed", said.out
    assert results.pop(WELL) == "changed", said.out
    assert set(results.values()) == {"unchanged"}, said.out
    assert "refused the connection" in said.out, said.out
    assert "the host key of 198.18.1.12 port 22 has changed" in said.out, said.out
    assert "lookup 1001" in lab.run(WELL, *RULE)
    assert lab.run(OTHER_KEY, *RULE) == "", "nothing was sent to the one with another key"
    bench.quick.project("deploy", POP, "--yes")
    bench.quick.project("plan", POP, "--detailed-exitcode")


def _confuse_keys(stranger: Project) -> None:
    """Its operator knows h2 by the key of h1."""
    path = stranger.folder / ".lab/known_hosts"
    keys = dict(line.split(" ", 1) for line in path.read_text(encoding="ascii").splitlines())
    keys["198.18.1.12"] = keys["198.18.1.11"]
    path.write_text("".join(f"{name} {key}\n" for name, key in keys.items()), encoding="ascii")
