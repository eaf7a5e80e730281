"""The keys of lab.yml: how the lab plays what is not ours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netorch.inventory.fields import (
    InterfaceName,
    Ipv4WithLength,
    Ipv6WithLength,
    Name,
    RouterName,
    choice,
    decimal,
    whole,
)
from netorch.inventory.keys import Keys
from netorch.inventory.schema_sources import LabValidatorKeys
from netorch.model.lab import LabSpeaker

SPEAKERS = ("bird", "exabgp", "gobgp")


_LAB = LabSpeaker(provider="")


class SpeakerKeys(Keys):
    provider: Name = Field(description="a provider of providers.yml", examples=["northtel"])
    speaker: Annotated[Literal["bird", "exabgp", "gobgp"], choice(SPEAKERS)] = Field(
        default="bird", description="the program that plays it"
    )
    prefixes_ipv4: Annotated[int, whole(0, 1_000_000)] = Field(
        default=_LAB.prefixes_ipv4, description="IPv4 prefixes announced"
    )
    prefixes_ipv6: Annotated[int, whole(0, 1_000_000)] = Field(
        default=_LAB.prefixes_ipv6, description="IPv6 prefixes announced"
    )
    delay_ms: Annotated[float, decimal(0, 10_000)] = Field(
        default=_LAB.delay_ms, description="one way, in milliseconds"
    )
    jitter_ms: Annotated[float, decimal(0, 10_000)] = Field(
        default=_LAB.jitter_ms, description="added at random, up to this"
    )
    loss_percent: Annotated[float, decimal(0, 100)] = Field(
        default=_LAB.loss_percent, description="of packets that arrive on it"
    )


class StationKeys(Keys):
    name: Name = Field(description="unique in the lab", examples=["a"])
    router: RouterName = Field(description="the full name of the router at whose LAN it is", examples=["r1.site1"])
    interface: InterfaceName = Field(description="the router's interface to that LAN", examples=["lan0"])
    ipv4: Ipv4WithLength | None = Field(
        default=None, description="in the LAN's subnet; at least one family is needed", examples=["172.16.10.10/24"]
    )
    ipv6: Ipv6WithLength | None = Field(
        default=None, description="in the LAN's subnet; at least one family is needed", examples=["fd00:172:10::10/64"]
    )


class LabFile(Keys):
    speakers: list[SpeakerKeys] = Field(
        default=[], description="how the lab plays providers; those left out get the defaults"
    )
    stations: list[StationKeys] = Field(
        default=[], description="ordinary machines at routers' LANs, with the router as their default gateway"
    )
    validators: list[LabValidatorKeys] = Field(default=[], description="the lists that validators have")
