"""``netorch steer``: single prefixes through one provider, on hosts with BIRD and with FRR, and back by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from netorch.model.types import Family, IPNetwork
from tests.lab.deployed_pop import HOSTS, service
from tests.lab.egress_lab import ON_BIRD, ON_FRR, PEER, POP, address_in, by_all, macs_of, taken, wait_until_taken
from tests.lab.operator_shell import Said, cron_environment
from tests.lab.quick_lab import QuickLab
from tests.lab.steady_ping import Steady, steady_ping

pytestmark = pytest.mark.lab

VIA = "southnet"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
FILES = {ON_BIRD: "/etc/bird/bird.conf", ON_FRR: "/etc/frr/frr.conf"}


def configurations(quick: QuickLab) -> dict[str, str]:
    """What a host of either daemon has on its disk."""
    return {host: quick.lab.run(host, "cat", path) for host, path in FILES.items()}


def established_since(quick: QuickLab) -> dict[tuple[str, str, str], Any]:
    """Since when each session of the hosts is up."""
    status = quick.project("status", "role:host", "-o", "json", code=None).document
    return {
        (device["device"], session["name"], session["family"]): (session["state"], (session["since"] or "")[:16])
        for device in status["devices"]
        for session in device["sessions"]
    }


def rows(quick: QuickLab) -> list[dict[str, Any]]:
    """What ``netorch steers`` lists."""
    return list(quick.project("steers", "-o", "json").document[-1]["rows"])


@contextmanager
def streams(quick: QuickLab, prefix: IPNetwork, folder: Path) -> Iterator[dict[str, Steady]]:
    """Pings from a host of either daemon to the prefix."""
    family = Family.IPV4 if prefix.version == 4 else Family.IPV6
    with ExitStack() as stack:
        yield {
            host: stack.enter_context(
                steady_ping(
                    quick.lab,
                    host,
                    address_in(prefix),
                    "-I",
                    service(quick.lab.inventory, host, family),
                    folder=folder,
                )
            )
            for host in FILES
        }


def withdraw(quick: QuickLab, prefix: IPNetwork) -> str:
    """The provider no longer announces the prefix; the former list of what it does."""
    file = f"/etc/bird/announced{prefix.version}.conf"
    text = quick.lab.run(VIA, "cat", file)
    lines = [line for line in text.splitlines() if f" {prefix} " not in line]
    assert len(lines) == len(text.splitlines()) - 1
    announce(quick, Family.IPV4 if prefix.version == 4 else Family.IPV6, "\n".join(lines) + "\n")
    return text


def announce(quick: QuickLab, family: Family, text: str) -> None:
    """The provider announces what ``text`` lists."""
    quick.lab.run(VIA, "tee", f"/etc/bird/announced{family.number}.conf", stdin=text)
    quick.lab.run(VIA, "birdc", "configure")


@dataclass
class Story:
    """What was seen at each step, by the step's name. ``taken`` are the providers that hosts sent the steered prefix through, and
    one beside it; ``lost`` the moments at which pings of a host of either daemon were not answered."""

    before: dict[str, str]
    since: dict[tuple[str, str, str], Any]
    taken: dict[str, set[str]] = field(default_factory=dict)
    beside: dict[str, set[str]] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    explained: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    configured: dict[str, dict[str, str]] = field(default_factory=dict)
    established: dict[str, dict[tuple[str, str, str], Any]] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)
    lost: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """One steered prefix of a family, and the story that it is part of."""

    quick: QuickLab
    story: Story
    family: Family

    @property
    def prefix(self) -> IPNetwork:
        """The steered one."""
        return by_all(self.quick.lab, self.family)[0]

    def look(self, step: str, provider: str) -> None:
        """Wait until hosts send through ``provider``, and keep what is to be seen then."""
        lab, name = self.quick.lab, f"{step} {self.family.value}"
        wait_until_taken(lab, provider, self.prefix)
        self.story.taken[name] = {taken(lab, host, self.prefix) for host in HOSTS}
        self.story.beside[name] = {taken(lab, host, by_all(lab, self.family)[1]) for host in HOSTS}
        self.story.rows[name] = rows(self.quick)

    def explain(self, step: str) -> None:
        """Keep what a host of either daemon is explained like."""
        for host in FILES:
            said = self.quick.project("explain", address_in(self.prefix), "--from", host, "-o", "json", code=None)
            self.story.explained[f"{step} {self.family.value}", host] = said.document

    def without_route(self, folder: Path) -> None:
        """The provider withdraws the prefix for a while; pings go on."""
        before = configurations(self.quick)
        with streams(self.quick, self.prefix, folder) as found:
            announced = withdraw(self.quick, self.prefix)
            try:
                self.look("withdrawn", PEER)
            finally:
                announce(self.quick, self.family, announced)
            wait_until_taken(self.quick.lab, VIA, self.prefix)
        assert configurations(self.quick) == before
        self._keep("withdrawn", found)

    def drained(self, folder: Path) -> None:
        """The provider is drained for a while; pings go on."""
        project, before = self.quick.project, configurations(self.quick)
        with streams(self.quick, self.prefix, folder) as found:
            project("drain", VIA, "--wait", "1s", "--reason", "works")
            try:
                self.look("drained", PEER)
                self.explain("drained")
                self._ask_others()
            finally:
                project("undrain", VIA)
            wait_until_taken(self.quick.lab, VIA, self.prefix)
        assert configurations(self.quick) == before
        self._keep("drained", found)

    def _ask_others(self) -> None:
        project, address = self.quick.project, address_in(self.prefix)
        self.story.said["ping"] = project("ping", address, "--from", ON_BIRD, "--count", "1", "-o", "json", code=None)
        self.story.said["status"] = project("status", POP, code=None)
        self.story.said["exec"] = project("exec", "--via", VIA, "--on", ON_BIRD, "--", "true", code=None)

    def _keep(self, step: str, found: dict[str, Steady]) -> None:
        for host, stream in found.items():
            self.story.lost[f"{step} {self.family.value}", host] = stream.lost

    def end(self, step: str) -> None:
        """Back to what BGP chooses: keep what is on the disks then."""
        wait_until_taken(self.quick.lab, PEER, self.prefix)
        self.story.configured[step] = configurations(self.quick)
        self.story.established[step] = established_since(self.quick)


@pytest.fixture(scope="module")
def story(egress: QuickLab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A steer of IPv6 that ends by its time, and one of IPv4 that is ended from another checkout; in between the provider
    withdraws the prefixes, and is drained."""
    folder, project = tmp_path_factory.mktemp("steer"), egress.project
    told = Story(configurations(egress), established_since(egress))
    six, four = Scene(egress, told, Family.IPV6), Scene(egress, told, Family.IPV4)
    project("steer", str(six.prefix), "--via", VIA, "--for", "2h", "--reason", "a test")
    six.look("steered", VIA)
    six.explain("steered")
    six.without_route(folder)
    later = {**cron_environment(), "FAKETIME": "+3h", "LD_PRELOAD": FAKETIME}
    told.said["run"] = project("run", POP, environment=later)
    six.end("run")
    project("steer", str(four.prefix), "--via", VIA, "--reason", "a test")
    four.look("steered", VIA)
    four.explain("steered")
    four.without_route(folder)
    four.drained(folder)
    other = project.copy(folder / "checkout")
    told.said["other plan"] = other("plan", POP, "--detailed-exitcode", code=None)
    told.said["unsteer"] = other("unsteer", str(four.prefix))
    four.end("unsteer")
    return told


STEERED = [f"steered {family.value}" for family in Family]


@pytest.mark.parametrize("step", STEERED)
def test_every_host_takes_the_provider(story: Story, step: str) -> None:
    """The prefix goes through the provider from hosts of either daemon, what is beside it does not."""
    assert (story.taken[step], story.beside[step]) == ({VIA}, {PEER})


@pytest.mark.parametrize("host", FILES)
@pytest.mark.parametrize("step", STEERED)
def test_explain_tells_why(egress: QuickLab, story: Story, step: str, host: str) -> None:
    """The steer is why the others lost; the kernel agrees, and the frame has the provider's MAC address."""
    document = story.explained[step, host]
    assert {hop["provider"] for hop in document["hops"]} == {VIA}
    assert {row["provider"]: row["reason"] for row in document["lost"]} == {"northtel": "steered", PEER: "steered"}
    assert document["frame"]["destination_mac"] in macs_of(egress.lab, VIA)
    assert (document["kernel"]["agrees"], document["ok"]) == (True, True)
    assert "a test" in next(f["text"] for f in document["findings"] if f["kind"] == "steered")


def test_steers_are_listed(story: Story) -> None:
    """In force, with who, why and where."""
    (row,) = story.rows["steered ipv4"]
    assert (row["via"], row["pop"], row["state"], row["reason"], row["until"]) == (VIA, POP, "ok", "a test", None)
    assert story.rows["steered ipv6"][0]["until"] is not None


def test_nothing_else_is_planned(story: Story) -> None:
    """A steered POP is in sync, seen from another checkout; sessions are as old as before."""
    assert story.said["other plan"].code == 0
    assert story.established["unsteer"].keys() == story.since.keys()
    assert {state for state, _ in story.established["unsteer"].values()} == {"up"}
    assert story.established["unsteer"] == story.since


@pytest.mark.parametrize("step", ["run", "unsteer"])
def test_configurations_are_what_they_were(story: Story, step: str) -> None:
    """Once it has ended, by its time or by hand, hosts have what they had, to the byte."""
    assert story.configured[step] == story.before


@pytest.mark.parametrize("step", ["withdrawn ipv4", "withdrawn ipv6", "drained ipv4"])
def test_hosts_fall_back(story: Story, step: str) -> None:
    """Without the route, or drained, the provider is left for what BGP chooses, with no host told anything, and no packet
    lost on the way there and back; the list says why."""
    assert story.taken[step] == {PEER}
    assert {host: story.lost[step, host] for host in FILES} == dict.fromkeys(FILES, ())
    assert [row["state"] for row in story.rows[step]] == ["drained" if "drained" in step else "no route"]


@pytest.mark.parametrize("host", FILES)
def test_drained_provider_is_told_alike(story: Story, host: str) -> None:
    """Explain, ping, steers, status and exec say of the drained provider that it is."""
    document = story.explained["drained ipv4", host]
    told = {finding["kind"]: finding["text"] for finding in document["findings"]}
    assert {row["provider"]: row["reason"] for row in document["lost"]}[VIA] == "drained"
    assert {row["via"]: row["state"] for row in document["marks"]}[VIA] == "drained"
    assert "fallen back" in told["steered"]
    assert "works" in told["drained"]
    assert {row["provider"]: row["state"] for row in story.said["ping"].document}[VIA] == "drained"
    assert [row["state"] for row in story.rows["drained ipv4"]] == ["drained"]
    assert f"@{POP} via {VIA}" in story.said["status"].out
    assert (story.said["exec"].code, f"{VIA} is drained" in story.said["exec"].err) == (1, True)


def test_guard_on_capacity(egress: QuickLab, tmp_path: Path) -> None:
    """More traffic to the prefix than the provider's circuits may carry: refused, with the figures and the override."""
    prefix = by_all(egress.lab, Family.IPV4)[0]
    small = egress.project.copy(tmp_path / "small")
    pop = small.folder / "inventory/pops/pop1.yml"
    head, _, rest = pop.read_text().partition("name: southnet-pop1\n")
    pop.write_text(f"{head}name: southnet-pop1\n{rest.replace('capacity: 100G', 'capacity: 1M', 1)}")
    with streams(egress, prefix, tmp_path):  # 125 packets a second of 1,042 bytes from two hosts: 2 Mbit/s
        said = small("steer", str(prefix), "--via", VIA, code=7)
    assert "refused (capacity)" in said.err
    assert "--allow-capacity" in said.err
    assert {taken(egress.lab, host, prefix) for host in HOSTS} == {PEER}
    assert egress.project("steers").out == "nothing is steered\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("198.19.0.0/24", "--via", VIA), 7, "no host has a route of southnet"),
        (("1.2.3.4", "--via", VIA), 64, "steer 1.2.3.0/24"),
        (("0.0.0.0/0", "--via", VIA), 64, "expected a part of the Internet"),
        (("192.0.2.0/24", "--via", VIA), 64, "is part of the own prefix"),
        (("1.2.3.4/16", "--via", VIA), 64, "expected a prefix"),
        (("1.2.0.0/16", "--via", "sothnet"), 64, "did you mean 'southnet'?"),
        (("1.2.0.0/16",), 64, "--via is missing"),
        (("1.2.0.0/16", "--via", VIA, "--pop", "pop9"), 64, "no POP 'pop9'"),
    ],
)
def test_refusals(egress: QuickLab, arguments: tuple[str, ...], code: int, words: str) -> None:
    """What would do nothing, or cannot be meant, changes nothing, and says what is expected."""
    assert words in egress.project("steer", *arguments, code=code).err
    assert egress.project("steers").out == "nothing is steered\n"
