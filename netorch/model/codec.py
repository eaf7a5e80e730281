"""Dataclasses of the model to JSON and back, by their type hints. Unions of dataclasses carry a ``kind``."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import sys
from functools import cache
from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Tuple,
    Type,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from netorch.errors import ParseError
from netorch.model.types import Mac

T = TypeVar("T")

_TEXT_TYPES = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)
_IP_UNIONS: Dict[FrozenSet[Any], Callable[[str], Any]] = {
    frozenset((ipaddress.IPv4Address, ipaddress.IPv6Address)): ipaddress.ip_address,
    frozenset((ipaddress.IPv4Network, ipaddress.IPv6Network)): ipaddress.ip_network,
    frozenset((ipaddress.IPv4Interface, ipaddress.IPv6Interface)): ipaddress.ip_interface,
}


def to_json(value: Any, *, kinds: bool = True) -> Any:
    """Plain JSON of ``value``: dataclasses become objects with a ``kind`` (left out for people, who do not read it back),
    tuples lists, addresses and enums text.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {f.name: to_json(getattr(value, f.name), kinds=kinds) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **members} if kinds else members
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    if isinstance(value, dict):
        return {str(to_json(key)): to_json(member, kinds=kinds) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(member, kinds=kinds) for member in value]
    return value


def from_json(kind: Type[T], data: Any) -> T:
    """The ``kind`` that ``data`` (from ``to_json``) describes; ParseError if it does not."""
    try:
        return cast(T, _decode(kind, data))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ParseError(f"expected a {kind.__name__} in JSON, found something else: {exc}") from exc


def _decode(hint: Any, data: Any) -> Any:
    origin = get_origin(hint)
    if origin is Union:
        return _decode_union(get_args(hint), data)
    if origin is tuple:
        members = get_args(hint)
        if len(members) == 2 and members[1] is Ellipsis:
            return tuple(_decode(members[0], member) for member in data)
        return tuple(_decode(member, value) for member, value in zip(members, data))
    if origin is not None:  # Mapping, Dict: plain data below
        key, member = get_args(hint)
        return {_decode(key, k): _decode(member, v) for k, v in data.items()}
    if hint is Any or hint is object or isinstance(hint, TypeVar):
        return data
    if dataclasses.is_dataclass(hint):
        make = cast(Callable[..., Any], hint)
        hints = _hints(cast(type, hint))
        return make(**{name: _decode(hints[name], data[name]) for name in hints if name in data})
    if isinstance(hint, type) and (issubclass(hint, enum.Enum) or hint in _TEXT_TYPES or hint is Mac):
        return hint(data)
    if isinstance(hint, type) and not _is_plain(hint, data):
        raise ValueError(f"expected {hint.__name__}, found {type(data).__name__}")
    return float(data) if hint is float else data


def _is_plain(hint: type, data: Any) -> bool:
    if hint is float:
        return isinstance(data, (int, float)) and not isinstance(data, bool)
    return isinstance(data, hint) and (hint is bool or not isinstance(data, bool))


def _decode_union(members: Tuple[Any, ...], data: Any) -> Any:
    if data is None:
        return None
    kinds = [member for member in members if member is not type(None)]
    convert = _IP_UNIONS.get(frozenset(kinds))
    if convert is not None:
        return convert(data)
    if len(kinds) == 1:
        return _decode(kinds[0], data)
    tagged = {member.__name__: member for member in kinds}
    return _decode(tagged[data["kind"]], data)


@cache
def _hints(kind: type) -> Dict[str, Any]:
    return get_type_hints(kind, vars(sys.modules[kind.__module__]))
