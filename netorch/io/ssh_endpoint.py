"""From a device's settings and ssh_config to the decided facts of one login: where, as whom, with which keys, by which way."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from netorch.io.ssh_config import ConfigError, ConfigReader, Options
from netorch.model.inventory import Ssh

DEFAULT_PORT = 22
MAX_JUMPS = 8
DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
DEFAULT_USER_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
DEFAULT_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")

_SHELL_SAFE = re.compile(r"[\w%@:+./-]*", re.ASCII)


@dataclass(frozen=True)
class SshEnvironment:
    """Whose SSH settings count. ``user`` is the local user's name, ``agent_socket`` the value of SSH_AUTH_SOCK.

    ``config_files`` are read in order; None means the user's and then the system's.
    """

    home: str
    user: str
    agent_socket: str | None = None
    config_files: tuple[str, ...] | None = None

    @property
    def configs(self) -> tuple[str, ...]:
        """The ssh_config files to read."""
        if self.config_files is not None:
            return self.config_files
        return (os.path.join(self.home, ".ssh", "config"), "/etc/ssh/ssh_config")


@dataclass(frozen=True)
class Endpoint:
    """One sshd to log in to. ``jumps`` are passed through in order, the first is reached directly.

    ``identities`` are key files to offer; when ``identities_chosen`` someone wrote them down, else they are ssh's defaults
    and may be absent. ``only_identities`` leaves out agent keys that belong to none of them.
    """

    name: str
    host: str
    port: int
    user: str
    known_hosts: tuple[str, ...]
    identities: tuple[str, ...]
    identities_chosen: bool
    only_identities: bool
    agent_socket: str | None
    host_key_alias: str | None = None
    connect_timeout_s: float | None = None
    proxy_command: str | None = None
    jumps: tuple[Endpoint, ...] = field(default=())

    def __str__(self) -> str:
        address = f"{self.host} port {self.port}"
        return address if self.name == self.host else f"{self.name} ({address})"


@dataclass(frozen=True)
class _Hop:
    """One element of a ProxyJump list."""

    host: str
    user: str | None
    port: int | None


@dataclass(frozen=True)
class EndpointResolver:
    """Decides endpoints like ``ssh -p PORT -l USER -i IDENTITY -J JUMP ADDRESS`` would."""

    environment: SshEnvironment
    reader: ConfigReader

    def resolve(self, ssh: Ssh) -> Endpoint:
        """The endpoint of a device; values of the inventory win over ssh_config.

        Raises ConfigError for an ssh_config that cannot be followed.
        """
        given = _given(user=ssh.user, port=ssh.port, jump=ssh.proxy_jump)
        return self._endpoint(ssh.address, given=given, ssh=ssh, depth=0)

    def _endpoint(self, name: str, *, given: Mapping[str, str], ssh: Ssh, depth: int) -> Endpoint:
        """``ssh`` is what the inventory says of the device; for a jump host only its known_hosts and identity count."""
        if depth > MAX_JUMPS:
            raise ConfigError(
                f"more than {MAX_JUMPS} jump hosts lead to {ssh.address}: {name} is reached through itself",
                hint="exclude the jump host from its own ProxyJump: Host !JUMPHOST *",
            )
        options = self.reader.options(name, given=given)
        tokens = _Tokens(self.environment, options, name)
        host = tokens.expand("hostname", options.one("hostname") or name, {"h": name})
        port = _number(options, "port", DEFAULT_PORT)
        user = options.one("user") or self.environment.user
        tokens = tokens.knowing(h=host, p=str(port), r=user)
        chosen = self._chosen_identities(options, tokens, ssh, is_device=depth == 0)
        endpoint = Endpoint(
            name=name,
            host=host,
            port=port,
            user=user,
            known_hosts=self._known_hosts(options, tokens, ssh, is_device=depth == 0),
            identities=chosen or tuple(tokens.path(path) for path in DEFAULT_IDENTITIES),
            identities_chosen=bool(chosen),
            only_identities=bool(depth == 0 and ssh.identity) or (options.one("identitiesonly") or "").lower() == "yes",
            agent_socket=self._agent_socket(options, tokens),
            host_key_alias=options.one("hostkeyalias"),
            connect_timeout_s=_number(options, "connecttimeout", 0) or None,
            proxy_command=_command(options, tokens),
        )
        return replace(endpoint, jumps=self._jumps(options, tokens, ssh, depth))

    def _known_hosts(self, options: Options, tokens: _Tokens, ssh: Ssh, *, is_device: bool) -> tuple[str, ...]:
        own = (ssh.known_hosts,) if ssh.known_hosts else ()
        if own and is_device:
            return own
        user = options.several("userknownhostsfile") or list(DEFAULT_USER_KNOWN_HOSTS)
        system = options.several("globalknownhostsfile") or list(DEFAULT_GLOBAL_KNOWN_HOSTS)
        files = [tokens.path(path, "userknownhostsfile") for path in (*user, *system) if path.lower() != "none"]
        return (*own, *files)

    def _chosen_identities(self, options: Options, tokens: _Tokens, ssh: Ssh, *, is_device: bool) -> tuple[str, ...]:
        if ssh.identity and is_device:
            return (ssh.identity,)
        files = [path for path in options.several("identityfile") or [] if path.lower() != "none"]
        if files:
            return tuple(tokens.path(path, "identityfile") for path in files)
        return (ssh.identity,) if ssh.identity else ()

    def _agent_socket(self, options: Options, tokens: _Tokens) -> str | None:
        setting = options.one("identityagent")
        if setting is None or setting == "SSH_AUTH_SOCK":
            return self.environment.agent_socket
        return None if setting.lower() == "none" else tokens.path(setting, "identityagent")

    def _jumps(self, options: Options, tokens: _Tokens, ssh: Ssh, depth: int) -> tuple[Endpoint, ...]:
        setting = options.one("proxyjump")
        if setting is None or setting.lower() == "none":
            return ()
        jumps: list[Endpoint] = []
        for text in tokens.expand("proxyjump", setting).split(","):
            hop = _parse_hop(text.strip(), options.places.get("proxyjump", ""))
            given = _given(user=hop.user, port=hop.port, jump="none" if jumps else None)
            endpoint = self._endpoint(hop.host, given=given, ssh=ssh, depth=depth + 1)
            jumps.extend((*endpoint.jumps, replace(endpoint, jumps=())))
        return tuple(jumps)


def _given(*, user: str | None, port: int | None, jump: str | None) -> dict[str, str]:
    given = {"user": user, "port": None if port is None else str(port), "proxyjump": jump}
    return {keyword: value for keyword, value in given.items() if value}


def _parse_hop(text: str, place: str) -> _Hop:
    found = re.fullmatch(
        r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[^:\[\]/@\s]+))(?::(?P<port>\d+))?/?",
        text,
    )
    if found is None:
        raise ConfigError(f"ProxyJump: expected [user@]host[:port], found {text!r}", where=place)
    return _Hop(found["v6"] or found["host"], found["user"], int(found["port"]) if found["port"] else None)


def _number(options: Options, keyword: str, default: int) -> int:
    text = options.one(keyword)
    if text is None or text.lower() == "none":
        return default
    if not text.isdecimal():
        raise ConfigError(f"{keyword}: expected a number, found {text!r}", where=options.places.get(keyword, ""))
    return int(text)


def _command(options: Options, tokens: _Tokens) -> str | None:
    command = options.one("proxycommand")
    return None if command is None or command.lower() == "none" else tokens.expand("proxycommand", command)


@dataclass(frozen=True)
class _Tokens:
    """The percent tokens of ssh_config(5) that netorch knows."""

    environment: SshEnvironment
    options: Options
    name: str
    known: Mapping[str, str] = field(default_factory=dict)

    def knowing(self, **known: str) -> _Tokens:
        return replace(self, known={**self.known, **known})

    def expand(self, keyword: str, text: str, more: Mapping[str, str] | None = None) -> str:
        values = {"%": "%", "n": self.name, "d": self.environment.home, "u": self.environment.user}
        values |= {**self.known, **(more or {})}
        values.setdefault("k", self.options.one("hostkeyalias") or self.name)

        def value_of(found: re.Match[str]) -> str:
            if found[1] not in values:
                raise ConfigError(
                    f"{keyword}: netorch does not know {found[0]} in {text!r}",
                    where=self.options.places.get(keyword, ""),
                )
            value = values[found[1]]
            if keyword == "proxycommand" and not _SHELL_SAFE.fullmatch(value):
                raise ConfigError(
                    f"{keyword}: {found[0]} is {value!r}, which a shell would not take as one word",
                    where=self.options.places.get(keyword, ""),
                )
            return value

        return re.sub(r"%(.?)", value_of, text)

    def path(self, text: str, keyword: str = "") -> str:
        """``text`` with ``~`` and tokens expanded; relative paths start in the home folder, since cron runs anywhere."""
        if "${" in text:
            raise ConfigError(
                f"{keyword}: netorch does not expand environment variables: {text!r}",
                where=self.options.places.get(keyword, ""),
                hint="write ~ or the whole path",
            )
        expanded = self.expand(keyword, text)
        if expanded.startswith("~/"):
            expanded = expanded[2:]
        return os.path.join(self.environment.home, expanded)
