"""What ssh_config files mean for a device."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import pytest

from netorch.errors import TransportError
from netorch.io.ssh import SshConnector, SshEnvironment
from netorch.io.ssh_endpoint import Endpoint
from netorch.model.inventory import Ssh


def _endpoint(home: Path, config: str, ssh: Ssh, *, user: str = "operator", **files: str) -> Endpoint:
    folder = home / ".ssh"
    folder.mkdir(exist_ok=True)
    for name, text in {"config": config, **files}.items():
        (folder / name).write_text(textwrap.dedent(text))
    environment = SshEnvironment(str(home), user, "/run/agent", (str(folder / "config"),))
    return SshConnector({"sw1": ssh}, environment).endpoint("sw1")


def test_without_any_configuration_the_defaults_hold(tmp_path: Path) -> None:
    """Port 22, the local user, ssh's default keys and known_hosts files, the agent of the environment."""
    endpoint = SshConnector(
        {"sw1": Ssh("198.18.1.1")}, SshEnvironment(str(tmp_path), "operator", "/run/agent", ())
    ).endpoint("sw1")
    assert (endpoint.host, endpoint.port, endpoint.user) == ("198.18.1.1", 22, "operator")
    assert endpoint.identities == tuple(f"{tmp_path}/.ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
    assert endpoint.known_hosts == (
        f"{tmp_path}/.ssh/known_hosts",
        f"{tmp_path}/.ssh/known_hosts2",
        "/etc/ssh/ssh_known_hosts",
        "/etc/ssh/ssh_known_hosts2",
    )
    assert (endpoint.agent_socket, endpoint.only_identities, endpoint.jumps) == ("/run/agent", False, ())


CONFIGS = {
    "the first value wins": "Host 198.18.*\n Port 1001\nHost *\n Port 1002\n User last\n",
    "negated patterns": "Host 198.18.* !198.18.1.1\n Port 1\nHost 198.18.1.?\n Port 1003\n",
    "equals signs and quotes": 'Port=1004\nUser = "some one"\nHostKeyAlias "x y"\n',
    "case, comments, spaces": "  hOsT  198.18.1.1   # mine\n\n# port 1\n\tPORT\t1005\n",
    "match with several criteria": "Match host 198.18.1.1,x user LOCAL\n Port 1006\nMatch user root\n Port 7\n",
    "match negated": "Match !originalhost 198.18.1.1\n Port 1\nMatch all\n Port 1007\n",
    "match sees HostName and User": (
        "Host 198.18.1.1\n HostName sw1.example\n User ada\nMatch host sw1.example user ada\n Port 1008\n"
    ),
    "match originalhost": "Host *\n HostName other\nMatch originalhost 198.18.1.1\n Port 1009\n",
    "match final comes last": "Match final\n Port 9\n User late\nHost *\n Port 1010\n",
    "tokens in HostName": "HostName %h.example\nPort 1011\n",
    "identities add up": "IdentityFile ~/.ssh/a\nHost 198.*\n IdentityFile ~/.ssh/b\n IdentitiesOnly yes\n",
    "tokens in paths": "IdentityFile %d/keys/%r@%h:%p\nUser ada\nUserKnownHostsFile ~/.ssh/kh_%k ~/.ssh/more\n",
    "HostKeyAlias": "HostKeyAlias alias\nUserKnownHostsFile ~/.ssh/kh_%k\n",
    "connect time-out": "ConnectTimeout 7\n",
    "proxy command": "Host 198.18.1.1\n ProxyCommand nc -x proxy %h %p # %r\n",
    "proxy command none": "ProxyCommand none\n",
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_endpoints_agree_with_openssh(tmp_path: Path, config: str) -> None:
    """``ssh -G``, asked about the same file, decides the same."""
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    endpoint = _endpoint(tmp_path, config.replace("LOCAL", user), Ssh("198.18.1.1"), user=user)
    command = ["ssh", "-G", "-F", str(tmp_path / ".ssh" / "config"), "198.18.1.1"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    options: dict[str, list[str]] = {}
    for line in printed.splitlines():
        keyword, _, value = line.partition(" ")
        options.setdefault(keyword, []).append(value)
    assert endpoint.host == options["hostname"][0]
    assert endpoint.port == int(options["port"][0])
    assert endpoint.user == options["user"][0]
    assert endpoint.host_key_alias == options.get("hostkeyalias", [None])[0]
    assert endpoint.connect_timeout_s == (
        None if options["connecttimeout"] == ["none"] else int(options["connecttimeout"][0])
    )
    assert endpoint.only_identities == (options["identitiesonly"][0] == "yes")
    if endpoint.identities_chosen:
        assert len(endpoint.identities) == len(options["identityfile"])
    assert (endpoint.proxy_command is None) == ("proxycommand" not in options)


def test_paths_and_commands_are_expanded(tmp_path: Path) -> None:
    """Tokens and ~ in IdentityFile, UserKnownHostsFile and ProxyCommand become what the login uses."""
    config = """
        User ada
        IdentityFile %d/keys/%r@%h:%p
        IdentityFile ~/.ssh/own
        UserKnownHostsFile ~/.ssh/kh_%n ~/more
        GlobalKnownHostsFile /etc/kh
        ProxyCommand nc -x "a proxy" %h %p '100%%'
        """
    endpoint = _endpoint(tmp_path, config, Ssh("sw1.example", port=2222))
    assert endpoint.identities == (f"{tmp_path}/keys/ada@sw1.example:2222", f"{tmp_path}/.ssh/own")
    assert endpoint.known_hosts == (f"{tmp_path}/.ssh/kh_sw1.example", f"{tmp_path}/more", "/etc/kh")
    assert endpoint.proxy_command == "nc -x \"a proxy\" sw1.example 2222 '100%'"


def test_a_proxy_command_takes_no_shell_syntax_from_names(tmp_path: Path) -> None:
    """A user or host that a shell would read as more than a word is refused."""
    with pytest.raises(TransportError, match="proxycommand: %r is 'x;id', which a shell would not take as one word"):
        _endpoint(tmp_path, "ProxyCommand nc %h %p %r\n", Ssh("198.18.1.1", user="x;id"))


def test_the_inventory_wins(tmp_path: Path) -> None:
    """Every value of the inventory's ssh settings replaces that of ssh_config."""
    config = "Port 1\nUser nobody\nIdentityFile /x\nUserKnownHostsFile /y\nProxyCommand false\n"
    ssh = Ssh("198.18.1.1", 2201, "ada", "/known", "/key", "jump")
    endpoint = _endpoint(tmp_path, config, ssh)
    assert (endpoint.port, endpoint.user) == (2201, "ada")
    assert (endpoint.known_hosts, endpoint.identities, endpoint.only_identities) == (("/known",), ("/key",), True)
    assert endpoint.proxy_command is None
    assert [jump.host for jump in endpoint.jumps] == ["jump"]


def test_jump_hosts_take_their_own_options(tmp_path: Path) -> None:
    """Each hop of a chain is looked up in ssh_config itself; its known_hosts add to the inventory's."""
    config = """
        Host bastion
          HostName 203.0.113.9
          User guard
          Port 2200
          IdentityFile /bastion/key
        Host inner
          ProxyJump never-used
        """
    ssh = Ssh(
        "198.18.1.1",
        known_hosts="/lab/known_hosts",
        identity="/lab/key",
        proxy_jump="bastion,ada@inner:2022,[2001:db8::1]:23",
    )
    jumps = _endpoint(tmp_path, config, ssh).jumps
    assert [(jump.host, jump.port, jump.user) for jump in jumps] == [
        ("203.0.113.9", 2200, "guard"),
        ("inner", 2022, "ada"),
        ("2001:db8::1", 23, "operator"),
    ]
    assert jumps[0].known_hosts[:2] == ("/lab/known_hosts", f"{tmp_path}/.ssh/known_hosts")
    assert (jumps[0].identities, jumps[1].identities) == (("/bastion/key",), ("/lab/key",))


def test_a_jump_host_may_need_one_itself(tmp_path: Path) -> None:
    """The first hop's own ProxyJump comes before it."""
    config = "Host bastion\n ProxyJump outer\nHost 198.18.*\n ProxyJump bastion\n"
    jumps = _endpoint(tmp_path, config, Ssh("198.18.1.1")).jumps
    assert [jump.name for jump in jumps] == ["outer", "bastion"]


def test_a_jump_host_through_itself_is_an_error(tmp_path: Path) -> None:
    """A ProxyJump that also holds for the jump host says how to exclude it."""
    with pytest.raises(TransportError, match="bastion is reached through itself") as caught:
        _endpoint(tmp_path, "ProxyJump bastion\n", Ssh("198.18.1.1"))
    assert caught.value.hint == "exclude the jump host from its own ProxyJump: Host !JUMPHOST *"


def test_included_files_hold_where_the_include_stands(tmp_path: Path) -> None:
    """An Include inside a Host section counts for that host alone, sections inside it end with the file, globs are sorted."""
    config = """
        Host 198.18.1.1
          Include parts_*
          User after
        Host *
          Include nowhere/*
          ConnectTimeout 5
        """
    parts = {"parts_a": "Port 1\nHost other\n User inside\n", "parts_b": "Port 2\nHostKeyAlias b\n"}
    endpoint = _endpoint(tmp_path, config, Ssh("198.18.1.1"), **parts)
    assert (endpoint.port, endpoint.user, endpoint.host_key_alias) == (1, "after", "b")
    other = _endpoint(tmp_path, config, Ssh("other"), **parts)
    assert (other.port, other.user, other.connect_timeout_s) == (22, "operator", 5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("Port many\n", "config:1: port: expected a number, found 'many'"),
        ("User\n", "config:1: User: expected a value after it"),
        ("\nHostName %z\n", "config:2: hostname: netorch does not know %z in '%z'"),
        (
            "IdentityFile ${HOME}/key\n",
            "config:1: identityfile: netorch does not expand environment variables: '${HOME}/key'",
        ),
        ("Match exec 'test -f /x'\n", "config:1: netorch does not follow 'Match exec'"),
        ('User "ada\n', "config:1: User: No closing quotation in '\"ada'"),
        ("Include config\n", "config:1: Include is nested too deeply: does a file include itself?"),
        ("ProxyJump a b\n", "config:1: ProxyJump: expected [user@]host[:port], found 'a b'"),
    ],
)
def test_what_cannot_be_followed_names_file_and_line(tmp_path: Path, config: str, message: str) -> None:
    """Mistakes and unsupported options are errors of the device that meets them."""
    with pytest.raises(TransportError) as caught:
        _endpoint(tmp_path, config, Ssh("198.18.1.1"))
    assert str(caught.value) == f"sw1: {tmp_path}/.ssh/{message}"


def test_match_exec_is_no_matter_for_hosts_excluded_before_it(tmp_path: Path) -> None:
    """A criterion that netorch does not follow counts only if those before it hold, as in ssh."""
    config = "Match !originalhost 198.18.1.1 exec true\n Port 1\n"
    assert _endpoint(tmp_path, config, Ssh("198.18.1.1")).port == 22


def test_the_agent_can_be_chosen(tmp_path: Path) -> None:
    """IdentityAgent names a socket, or none."""
    assert _endpoint(tmp_path, "IdentityAgent none\n", Ssh("a")).agent_socket is None
    assert _endpoint(tmp_path, "IdentityAgent ~/agent\n", Ssh("a")).agent_socket == f"{tmp_path}/agent"
