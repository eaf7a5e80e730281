"""Devices that answer at once, and a controller of the small network that works with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable, Optional

from netorch.api import Plugin
from netorch.app.controller import Controller
from netorch.io.template_files import read_templates
from netorch.model.facts import ConfirmedFile, DeviceFacts, Pending
from netorch.model.items import FileItem, Item
from netorch.model.overlay import OverlayEntry
from netorch.model.request import (
    Answer,
    ApplyRequest,
    DecideRequest,
    FactsRequest,
    Generation,
    PingAnswer,
    PingBatch,
    PingRequest,
    PingWatch,
    Proof,
    StoredGeneration,
)
from netorch.render import TemplateSource
from netorch.testing import FakeClock, FakeSecrets, RecordingProgress, fake_facts, small_inventory


@dataclass
class Agent:
    """A device that answers, applies and confirms, or raises what it is given instead."""

    on_facts: Optional[Exception] = None
    on_apply: Optional[Exception] = None
    on_confirm: Optional[Exception] = None
    notes: tuple[str, ...] = ()
    overlay: tuple[OverlayEntry, ...] = ()
    kept: tuple[Generation, ...] = ()
    stored: tuple[Item, ...] = ()
    waits: Optional[Pending] = None
    generation_now: int = 1
    reports: Callable[[DeviceFacts], DeviceFacts] = lambda facts: facts
    proves: Callable[[Proof], Optional[Proof]] = lambda proof: proof
    applied: Optional[ApplyRequest] = None
    asked: list[str] = field(default_factory=list)
    batches: tuple[PingBatch, ...] = ()

    def facts(self, request: FactsRequest) -> DeviceFacts:
        if self.on_facts is not None:
            raise self.on_facts
        self.asked.append("facts")
        facts = replace(fake_facts(request.device), overlay=self.overlay, pending=self.waits)
        return self.reports(replace(facts, generation=self.generation_now))

    def apply(self, request: ApplyRequest) -> Answer:
        self.asked.append("apply")
        if self.on_apply is not None:
            raise self.on_apply
        self.applied = request
        return Answer("pending", generation=request.generation, notes=self.notes)

    def confirm(self, request: DecideRequest) -> Answer:
        self.asked.append("confirm")
        if self.on_confirm is not None:
            raise self.on_confirm
        assert self.applied is not None, "nothing was applied"
        return Answer("confirmed", generation=self.applied.generation + 1, proof=self.proves(_read_back(self.applied)))

    def revert(self, request: DecideRequest) -> Answer:
        self.asked.append("revert")
        return Answer("reverted")

    def history(self) -> tuple[Generation, ...]:
        return self.kept

    def generation(self, number: int) -> StoredGeneration:
        self.asked.append(f"generation {number}")
        return StoredGeneration(Generation(number, "id", "ann", 0.0), self.stored)

    def ping(self, request: PingRequest) -> PingAnswer:
        return PingAnswer(())

    def watch_pings(self, request: PingWatch, tell: Callable[[PingBatch], None]) -> None:
        self.asked.append(f"ping {len(request.ways)} ways")
        for batch in self.batches:
            tell(batch)

    def close(self) -> None:
        return


def _read_back(request: ApplyRequest) -> Proof:
    """What a device has that did as it was told; a file's text stands for its stamp."""
    files = [operation.item for operation in request.operations if isinstance(operation.item, FileItem)]
    live = next((file.text for file in files if file.daemon), None)
    held = zip(files, request.sha256, strict=True)
    return Proof(live, tuple(ConfirmedFile(file.path, sha256, file.text) for file, sha256 in held))


def controller_of(devices: Callable[[str], Agent], *plugins: Plugin) -> Controller:
    """A controller of the small network whose devices are ``devices``; its progress is a RecordingProgress."""
    return Controller(
        inventory=small_inventory(),
        plugins=plugins,
        devices=devices,
        secrets=FakeSecrets({}),
        templates=TemplateSource(read_templates()),
        clock=FakeClock(),
        progress=RecordingProgress(),
        author="ann",
    )
