"""The keys of validators and registries: what others say about routes."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from netorch.inventory.fields import (
    AnyAddress,
    Checked,
    FilePath,
    Flag,
    Name,
    Prefix,
    SshHost,
    decimal,
    refusal,
    text_of,
    whole,
)
from netorch.inventory.findings import shown_value
from netorch.inventory.keys import Keys
from netorch.model.sources import RTR_PORT, Registries, Rpki

_RPKI = Rpki()
_REGISTRIES = Registries(folder="")
_AS_SET = re.compile(r"([A-Z][A-Z0-9-]*::)?(AS[0-9]+|AS-[A-Z0-9_-]+)(:AS-[A-Z0-9_-]+|:AS[0-9]+)*", re.IGNORECASE)
_SOURCE = re.compile(r"[A-Z][A-Z0-9-]{0,39}")
_URL = "PeeringDB's API address, http:// or https://"


def _as_set(value: Any) -> str:
    """Source: RFC 2622 section 5: names begin with ``AS-``, hierarchical ones are joined by colons."""
    text = text_of(value, "an AS-SET, such as AS-MEADOW")
    if len(text) > 100 or not _AS_SET.fullmatch(text):
        hint = "such a name begins with AS-, or is AS64498:AS-CUSTOMERS; a network without one is AS64498"
        raise refusal("an AS-SET, such as AS-MEADOW", shown_value(text), hint=hint)
    return text.upper()


def _source(value: Any) -> str:
    text = text_of(value, "the name of a registry, such as RIPE")
    if not _SOURCE.fullmatch(text):
        raise refusal("the name of a registry in capitals, such as RIPE", shown_value(text))
    return text


def _url(value: Any) -> str:
    text = text_of(value, _URL)
    if not _is_url(text):
        raise refusal(_URL, shown_value(text), hint="without a query, and without a user")
    return text.rstrip("/")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_port = parts.port != 0
    except ValueError:
        return False
    extra = parts.query or parts.fragment or parts.username or " " in text
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and not extra


def _named_set(value: Any) -> Any:
    """A name alone stands for a mapping that has nothing else."""
    return {"as_set": value} if isinstance(value, str) else value


AsSetName = Annotated[str, Checked(_as_set, "AS-SET")]
SourceName = Annotated[str, Checked(_source, "registry")]
Url = Annotated[str, Checked(_url, "http or https address")]
Percent = Annotated[float, decimal(0, 100)]


class ValidatorKeys(Keys):
    name: Name = Field(description="unique", examples=["rpki1"])
    address: AnyAddress = Field(description="where it listens; switches must reach it", examples=["198.18.0.21"])
    port: Annotated[int, whole(1, 65535)] = Field(default=RTR_PORT, description="TCP port of RTR without encryption")


class RpkiKeys(Keys):
    validators: list[ValidatorKeys] = Field(
        max_length=8,
        description="who is asked for the list of ROAs, the preferred one first; `[]` in a POP for none",
    )
    # Bounds: RFC 8210 section 6, which both daemons enforce.
    refresh_s: Annotated[int, whole(1, 86400)] | None = Field(
        default=None, description="how often a validator is asked for news, as it says itself where left out"
    )
    retry_s: Annotated[int, whole(1, 7200)] | None = Field(
        default=None, description="after how long again where it did not answer, as it says itself where left out"
    )
    expire_s: Annotated[int, whole(600, 172800)] | None = Field(
        default=None, description="how long its last answer is good, as it says itself where left out"
    )
    drop_percent: Percent = Field(
        default=_RPKI.drop_percent, description="a list that loses more than this is told of (docs/rpki.md)"
    )


class IrrServerKeys(Keys):
    server: SshHost = Field(description="the whois server of an IRR that `bgpq4` asks", examples=["whois.example.net"])
    port: Annotated[int, whole(1, 65535)] = Field(default=43, description="TCP port")
    sources: list[SourceName] = Field(
        default=[], description="the registries in its database to use, the first wins; all where left out"
    )


class PeeringDbKeys(Keys):
    url: Url = Field(description="PeeringDB's API address, before `/net`", examples=["https://peeringdb.example/api"])
    margin_percent: Annotated[float, decimal(0, 1000)] = Field(
        default=20.0, description="added to what a network says of itself"
    )


class RegistriesKeys(Keys):
    folder: FilePath = Field(
        default="../registries", description="where the last good answers are kept, relative to the inventory folder"
    )
    irr: IrrServerKeys | None = Field(default=None, description="where AS-SETs are looked up")
    peeringdb: PeeringDbKeys | None = Field(default=None, description="where prefix counts are looked up")
    max_age_days: Annotated[float, decimal(0.01, 365)] = Field(
        default=_REGISTRIES.max_age_days, description="older answers are used, and warned of"
    )
    max_change_percent: Percent = Field(
        default=_REGISTRIES.max_change_percent,
        description="a new answer that changes more of a list than this waits for `netorch filters update --accept`",
    )
    free_changes: Annotated[int, whole(0, 1000)] = Field(
        default=_REGISTRIES.free_changes, description="so many entries may come and go, whatever their share"
    )
    timeout_s: Annotated[float, decimal(0.1, 3600)] = Field(
        default=_REGISTRIES.timeout_s, description="how long one question may take"
    )
    parallel: Annotated[int, whole(1, 64)] = Field(
        default=_REGISTRIES.parallel, description="about how many providers at once"
    )


class AsSetKeys(Keys):
    as_set: AsSetName = Field(description="what it registers its routes under", examples=["AS-MEADOW"])
    longer_prefixes: Flag = Field(
        default=False, description="accept what lies inside of a registered prefix, as far as the policy's max_length"
    )


IrrOfProvider = Annotated[AsSetKeys, BeforeValidator(_named_set, json_schema_input_type=AsSetName | AsSetKeys)]


class RoaKeys(Keys):
    prefix: Prefix = Field(description="the prefix", examples=["20.0.0.0/8"])
    max_length: Annotated[int, whole(1, 128)] | None = Field(
        default=None, description="the longest prefix inside of it, itself alone where left out"
    )
    asn: Annotated[int, whole(0, 4294967295)] = Field(
        description="who may announce it, 0 for nobody (RFC 6483)", examples=[3000]
    )


class LabValidatorKeys(Keys):
    name: Name = Field(description="a validator of network.yml or of a POP", examples=["rpki1"])
    roas: list[RoaKeys] = Field(default=[], description="its list")
    refresh_s: Annotated[int, whole(1, 86400)] = Field(default=3600, description="what it tells switches")
    retry_s: Annotated[int, whole(1, 7200)] = Field(default=600, description="what it tells switches")
    expire_s: Annotated[int, whole(600, 172800)] = Field(default=7200, description="what it tells switches")
