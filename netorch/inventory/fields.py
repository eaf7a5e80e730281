"""The types that values of the inventory have: each checks one value, says what it expected, and how to mend it."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Annotated, Any

from pydantic_core import PydanticCustomError, core_schema

from netorch.inventory.findings import shown_value
from netorch.model.inventory import Link
from netorch.model.text import did_you_mean
from netorch.model.types import IPAddress, IPInterface, IPNetwork, Mac

MAX_DESCRIPTION_BYTES = 255  # BIRD 2.0.12 aborts on strings of 4096 bytes, Linux cuts interface aliases at 255
MAX_NAME = 24  # a symbol of a circuit and a family stays below BIRD's 63 characters
MAX_CIRCUIT_NAME = 40

# Words that a command line or TARGET already gives a meaning to.
RESERVED_NAMES = frozenset({"all", "circuit", "default", "host", "pop", "provider", "switch"})

# Arguments that `ip` and `bridge` read as keywords where an interface name may stand; sysctl has folders called all and
# default. Source: iproute2 6.1, ip/ipaddress.c, ip/ipneigh.c, ip/iproute.c, bridge/link.c.
INTERFACE_KEYWORDS = frozenset(
    """address alias all anycast broadcast brd change default del dev down dynamic extern_learn flush from get group help
    home iif label link lladdr lo local lock link-netns master metric mode mtu multicast name netns nexthop nhid nomaster
    noprefixroute nud oif onlink peer permanent preference preferred_lft proto protocol proxy realm router save scope self
    show src src_addr state table temporary tentative title to tos type up valid_lft vf via vlan vrf
    weight""".split()  # noqa: SIM905 - as a list of literals it takes as many lines as words
)

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{1,14}")
_PLUGIN = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SSH_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_SSH_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")
_SSH_JUMP = re.compile(r"([A-Za-z_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?")
_LINK = re.compile(rf"({_NAME.pattern}):({_INTERFACE.pattern})")
_FULL_NAME = re.compile(rf"{_NAME.pattern}\.{_NAME.pattern}")
_CAPACITY = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?([kMGT]?)")
_PREFIX_LENGTH = re.compile(r"[0-9]{1,3}")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

# Turn text around for a reader (Unicode UAX 9), so that it says something else than it seems to.
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def refusal(expected: str, found: str, *, hint: str = "") -> PydanticCustomError:
    """The error of a value that is not what was expected; ``found`` is what to show of it, "" to show nothing."""
    text = f"expected {expected}, found {found}" if found else f"expected {expected}"
    return PydanticCustomError("netorch", "{text}", {"text": text, "hint": hint})


@dataclass(frozen=True, eq=False)  # by identity: typing hashes metadata
class Checked:
    """What makes and checks a value, as metadata of an annotation; ``title`` names the type in schema and reference."""

    read: Callable[[Any], Any]
    title: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, _schema: core_schema.CoreSchema, _handler: Any) -> dict[str, Any]:
        return {"title": self.title, **self.schema}


def text_of(value: Any, expected: str) -> str:
    """``value`` if it is text without control characters."""
    if not isinstance(value, str):
        raise refusal(expected, shown_value(value))
    for character in value:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDIRECTIONAL:
            raise refusal(f"{expected} without control characters", shown_value(value))
    return value


def _quoted(value: Any, expected: str) -> Any:
    """Refuse what YAML takes for a number or truth value, with the hint that helps."""
    if isinstance(value, (bool, int, float)):
        raise refusal(expected, shown_value(value), hint="put quotes around it")
    return value


def _name(maximum: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        expected = "a name of lower-case letters, digits and inner dashes"
        name = text_of(_quoted(value, expected), expected)
        if not _NAME.fullmatch(name):
            dashed = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
            hint = f"write {dashed}" if dashed and len(dashed) <= maximum else ""
            if "." in name:
                hint = "names hold no dots; in its POP's file a device goes by its short name"
            raise refusal(expected, shown_value(name), hint=hint)
        if len(name) > maximum:
            raise refusal(f"a name of at most {maximum} characters", f"{len(name)}: {shown_value(name)}")
        if name in RESERVED_NAMES:
            raise refusal("a name of its own", f"the reserved word {name!r}", hint="choose another name")
        return name

    return read


def _interface(value: Any) -> str:
    name = text_of(value, "an interface name")
    if not _INTERFACE.fullmatch(name):
        expected = "an interface name (2 to 15 letters, digits, '.', '_', '-', a letter first)"
        raise refusal(expected, shown_value(name))
    if name.lower() in INTERFACE_KEYWORDS:
        raise refusal("an interface name", f"{name!r}, which iproute2 takes for a keyword", hint="rename the interface")
    return name


def _description(value: Any) -> str:
    text = text_of(_quoted(value, "a text of one line"), "a text of one line")
    if '"' in text:
        raise refusal(
            "a text without double quotes", shown_value(text), hint="BIRD cannot write them: use single quotes"
        )
    size = len(text.encode())
    if size > MAX_DESCRIPTION_BYTES:
        raise refusal(f"a text of at most {MAX_DESCRIPTION_BYTES} bytes", f"{size} bytes")
    return text


def whole(minimum: int, maximum: int) -> Checked:
    """A whole number type, bounds inclusive."""
    expected = f"a whole number from {minimum} to {maximum}"

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            quoted = isinstance(value, str) and value.isdecimal()
            raise refusal(expected, shown_value(value), hint="write it in decimal, without quotes" if quoted else "")
        if not minimum <= value <= maximum:
            raise refusal(expected, shown_value(value))
        return value

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Checked(read, f"{minimum} to {maximum}", schema)


def decimal(minimum: float, maximum: float) -> Checked:
    """A number type, bounds inclusive."""

    def read(value: Any) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not minimum <= value <= maximum:  # not-a-number fails the comparison
            raise refusal(f"a number from {minimum:g} to {maximum:g}", shown_value(value))
        return float(value)

    schema = {"type": "number", "minimum": minimum, "maximum": maximum}
    return Checked(read, f"{minimum:g} to {maximum:g}, decimals allowed", schema)


def choice(known: Sequence[str]) -> Checked:
    """One of ``known``."""

    def read(value: Any) -> str:
        if value not in known:
            hint = did_you_mean(value, known) if isinstance(value, str) else ""
            raise refusal(f"one of {', '.join(known)}", shown_value(value), hint=hint)
        return str(value)

    return Checked(read, " or ".join(known), {"type": "string", "enum": list(known)})


def _asn(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        hint = "write the number alone, without dots" if isinstance(value, (str, float)) else ""
        raise refusal("an AS number", shown_value(value), hint=hint)
    if not 1 <= value <= 4294967294 or value in (23456, 65535):  # RFC 7607, RFC 6793 section 9, RFC 7300
        raise refusal("an AS number from 1 to 4294967294, not 23456 or 65535, which are reserved", str(value))
    return value


def _address(versions: Sequence[int]) -> Callable[[Any], IPAddress]:
    expected = f"an {_family(versions)} address"

    def read(value: Any) -> IPAddress:
        text = text_of(value, expected)
        if "/" in text:
            raise refusal(expected, shown_value(text), hint="write the address without its prefix length")
        address: IPAddress = _parsed(ipaddress.ip_address, text, expected)
        _check_version(address.version, versions, expected=expected, text=text)
        return _usable(address, text)

    return read


def _interface_address(version: int) -> Callable[[Any], IPInterface]:
    expected = f"an {_family((version,))} address with its prefix length"

    def read(value: Any) -> IPInterface:
        text = text_of(value, expected)
        _, slash, length = text.partition("/")
        if not slash:
            example = "/24" if version == 4 else "/64"
            raise refusal(expected, shown_value(text), hint=f"add the prefix length of the subnet, such as {example}")
        if not _PREFIX_LENGTH.fullmatch(length):
            raise refusal(expected, shown_value(text), hint="write the prefix length as a number")
        found: IPInterface = _parsed(ipaddress.ip_interface, text, expected)
        _check_version(found.version, (version,), expected=expected, text=text)
        _usable(found.ip, text)
        return found

    return read


def _prefix(value: Any) -> IPNetwork:
    expected = "an IPv4 or IPv6 prefix"
    text = text_of(value, expected)
    _, slash, length = text.partition("/")
    if not slash or not _PREFIX_LENGTH.fullmatch(length):
        raise refusal(expected, shown_value(text), hint="write address/length, such as 192.0.2.0/24")
    found: IPInterface = _parsed(ipaddress.ip_interface, text, expected)
    if found.network.prefixlen == 0:
        raise refusal("a prefix smaller than everything", shown_value(text))
    if found.ip != found.network.network_address:
        raise refusal(expected, f"{shown_value(text)}, an address inside of one", hint=f"write {found.network}")
    _usable(found.network.network_address, text)
    return found.network


def _parsed(parse: Callable[[str], Any], text: str, expected: str) -> Any:
    if "%" in text:
        raise refusal(expected, shown_value(text), hint="remove the zone after '%'")
    try:
        return parse(text)
    except ValueError:
        raise refusal(expected, shown_value(text)) from None


def _check_version(found: int, wanted: Sequence[int], *, expected: str, text: str) -> None:
    if found not in wanted:
        raise refusal(expected, f"the IPv{found} address {shown_value(text)}")


def _usable(address: IPAddress, text: str) -> IPAddress:
    """Refuse addresses that no interface or neighbour can have here (next hops are global, also in IPv6)."""
    kinds = {
        "multicast": address.is_multicast,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "unspecified": int(address) >> (24 if address.version == 4 else 0) == 0,
        "reserved": address.version == 4 and address.is_reserved,
        "IPv4-mapped": address.version == 6 and address.ipv4_mapped is not None,
    }
    for kind, is_kind in kinds.items():
        if is_kind:
            raise refusal("global or private unicast addresses", f"{kind} ones, {shown_value(text)}")
    return address


def _family(versions: Sequence[int]) -> str:
    return "IP" if len(versions) > 1 else f"IPv{versions[0]}"


def _router_id(value: Any) -> str:
    text = text_of(value, "a router id, written as an IPv4 address")
    try:
        found = IPv4Address(text)
    except ValueError:
        found = IPv4Address(0)
    if found == IPv4Address(0):
        raise refusal("a router id, written as an IPv4 address", shown_value(text))
    return str(found)


def _capacity(value: Any) -> int:
    """Bits per second; "10G" is 10 * 10^9."""
    expected = "a capacity in bits per second, such as 10G or 400M"
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = str(value)
    found = _CAPACITY.fullmatch(value) if isinstance(value, str) else None
    decimals = (found.group(2) or "") if found else ""
    bps = int(found.group(1) + decimals) * _UNITS[found.group(3)] // 10 ** len(decimals) if found else 0
    if bps == 0:
        raise refusal(expected, shown_value(value), hint="units are k, M, G and T, powers of 1000")
    return bps


def _path(value: Any) -> str:
    text = text_of(value, "a path")
    if not text or text.startswith("~"):
        raise refusal("a path", shown_value(text), hint="write it absolute, or relative to the inventory folder")
    return text


def _ssh_host(value: Any) -> str:
    text = text_of(value, "a host name or address")
    try:
        return str(ipaddress.ip_address(text.partition("%")[0])) if "%" not in text else _no_host(text)
    except ValueError:
        return text if len(text) <= 253 and _SSH_HOST.fullmatch(text) else _no_host(text)


def _no_host(text: str) -> str:
    hint = "write the port under its own key, port" if ":" in text else ""
    raise refusal("a host name or address", shown_value(text), hint=hint)


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        text = text_of(value, expected)
        if not pattern.fullmatch(text):
            raise refusal(expected, shown_value(text))
        return text

    return read


def _jump(value: Any) -> str:
    expected = "jump hosts, [USER@]HOST[:PORT] separated by commas"
    text = text_of(value, expected)
    if not all(_SSH_JUMP.fullmatch(hop) for hop in text.split(",")):
        raise refusal(expected, shown_value(text))
    return text


def _mac(value: Any) -> Mac:
    expected = "a router's MAC address, such as 00:1b:17:00:01:10"
    text = text_of(value, expected)
    try:
        mac = Mac(text)
    except ValueError:
        raise refusal(expected, shown_value(text)) from None
    if not mac.is_unicast:
        raise refusal(expected, f"{shown_value(text)}, which no single interface can have")
    return mac


def _link(value: Any) -> Link:
    """The router's name is still the short one."""
    expected = "the other end of a link, ROUTER:INTERFACE"
    text = text_of(value, expected)
    found = _LINK.fullmatch(text)
    if found is None:
        hint = "in its POP's file a router goes by its short name" if "." in text.partition(":")[0] else ""
        raise refusal(expected, shown_value(text), hint=hint)
    router, _, interface = text.partition(":")
    return Link(router, interface)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise refusal("true or false", shown_value(value))
    return value


def _version(value: Any) -> str:
    return text_of(_quoted(value, "a version"), "a version")


def _string(pattern: str, maximum: int | None = None) -> dict[str, Any]:
    limit = {} if maximum is None else {"maxLength": maximum}
    return {"type": "string", "pattern": f"^{pattern}$", **limit}


_CAPACITY_SCHEMA = {"anyOf": [_string(_CAPACITY.pattern), {"type": "integer", "minimum": 1}]}

Name = Annotated[str, Checked(_name(MAX_NAME), "name", _string(_NAME.pattern, MAX_NAME))]
CircuitName = Annotated[str, Checked(_name(MAX_CIRCUIT_NAME), "name", _string(_NAME.pattern, MAX_CIRCUIT_NAME))]
PluginName = Annotated[str, Checked(_matching(_PLUGIN, "a plugin's name"), "plugin name", _string(_PLUGIN.pattern))]
InterfaceName = Annotated[str, Checked(_interface, "interface name", _string(_INTERFACE.pattern))]
LinkEnd = Annotated[Link, Checked(_link, "router:interface", _string(_LINK.pattern))]
RouterName = Annotated[
    str,
    Checked(_matching(_FULL_NAME, "a router's full name, NAME.POP"), "full name", _string(_FULL_NAME.pattern)),
]
Description = Annotated[str, Checked(_description, "text", _string('[^"]*', MAX_DESCRIPTION_BYTES))]
Asn = Annotated[int, Checked(_asn, "AS number", {"type": "integer", "minimum": 1, "maximum": 4294967294})]
AnyAddress = Annotated[IPAddress, Checked(_address((4, 6)), "address")]
Ipv4 = Annotated[IPv4Address, Checked(_address((4,)), "IPv4 address")]
Ipv6 = Annotated[IPv6Address, Checked(_address((6,)), "IPv6 address")]
Ipv4WithLength = Annotated[IPv4Interface, Checked(_interface_address(4), "IPv4 address/length")]
Ipv6WithLength = Annotated[IPv6Interface, Checked(_interface_address(6), "IPv6 address/length")]
Prefix = Annotated[IPNetwork, Checked(_prefix, "prefix")]
RouterId = Annotated[str, Checked(_router_id, "router id")]
Capacity = Annotated[int, Checked(_capacity, "bits per second", _CAPACITY_SCHEMA)]
FilePath = Annotated[str, Checked(_path, "path")]
SshHost = Annotated[str, Checked(_ssh_host, "host name or address")]
SshUser = Annotated[str, Checked(_matching(_SSH_USER, "a user name"), "user name", _string(_SSH_USER.pattern))]
SshJump = Annotated[str, Checked(_jump, "[user@]host[:port], ...")]
Version = Annotated[str, Checked(_version, "version")]
MacAddress = Annotated[Mac, Checked(_mac, "MAC address")]
Flag = Annotated[bool, Checked(_flag, "true or false", {"type": "boolean"})]
