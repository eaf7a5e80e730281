"""A validator's last answer expires: the time passes in seconds, since BIRD is given a clock that runs ahead."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from netorch.agent.bird import Bird
from netorch.agent.validators import of_bird
from netorch.io.template_files import read_templates
from netorch.model.intent import DeviceIntent
from netorch.model.sources import Rpki, Validator
from netorch.render import TemplateSource, render_device, seal
from tests.lab.labs import own_network
from tests.plugins.example import INTENT
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

PORT = 8282
EXPIRE_S = 600
"""The shortest that there is (RFC 8210 section 6), and BIRD takes."""

LIBRARY = "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1"
ORIGINS = [("45.0.0.0/16", 3000), ("45.0.0.0/16", 3999), ("46.0.0.0/16", 3000)]


def switch() -> DeviceIntent:
    """A switch of the example without anybody to talk to but one validator."""
    device = INTENT.device("sw1.pop1")
    validator = Validator("rpki1", ip_address("127.0.0.1"), PORT)
    rpki = Rpki((validator,), refresh_s=1, retry_s=1, expire_s=EXPIRE_S)
    sessions = tuple(replace(one, enabled=False) for one in device.sessions)
    return replace(device, rpki=rpki, sessions=sessions)


@dataclass
class Watch:
    """A BIRD whose clock is in a file."""

    folder: Path

    def ahead(self, seconds: int) -> None:
        """Let its clock be ``seconds`` ahead of the real one."""
        new = self.folder / "clock.new"
        new.write_text(f"+{seconds}s\n")
        new.replace(self.folder / "clock")

    def judged(self) -> list[str]:
        """What it says of ORIGINS."""
        with Bird(path=str(self.folder / "bird.ctl")) as bird:
            _, origins = of_bird(bird.try_ask, ["validator_rpki1"], ORIGINS)
            states: list[str] = [one["state"] for one in origins]
            return states

    def state(self) -> str:
        """The validator's state."""
        with Bird(path=str(self.folder / "bird.ctl")) as bird:
            validators, _ = of_bird(bird.try_ask, ["validator_rpki1"], [])
            return str(validators[0]["state"])


@contextmanager
def running(folder: Path) -> Iterator[Watch]:
    """BIRD with the switch's configuration, in a network namespace of its own."""
    watch = Watch(folder)
    watch.ahead(0)
    templates = TemplateSource(read_templates(None))
    text = seal(render_device(switch(), templates)[0].text, lambda _: "password", daemon="bird")
    (folder / "bird.conf").write_text(text)
    clock = (
        f"LD_PRELOAD={LIBRARY.format(os.uname().machine)}",
        f"FAKETIME_TIMESTAMP_FILE={folder}/clock",
        "FAKETIME_NO_CACHE=1",
    )
    files = ("-c", f"{folder}/bird.conf", "-s", f"{folder}/bird.ctl", "-P", f"{folder}/bird.pid")
    command = ["env", *clock, "bird", "-f", *files]
    with own_network():
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_until((folder / "bird.ctl").exists, timeout_s=30, what="BIRD listens")
                yield watch
            finally:
                process.kill()


@contextmanager
def validator(folder: Path) -> Iterator[None]:
    """A validator with one entry."""
    roa = {"prefix": "45.0.0.0/16", "maxLength": 16, "asn": 3000, "ta": "lab"}
    (folder / "roas.json").write_text(json.dumps({"roas": [roa]}))
    command = ["stayrtr", "-bind", f"127.0.0.1:{PORT}", "-cache", f"{folder}/roas.json", "-checktime=false"]
    with subprocess.Popen([*command, "-metrics.addr", ""], stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def test_last_answer_is_good_until_it_expires(tmp_path: Path) -> None:
    """Shortly before, what was invalid is invalid; afterwards nothing is known, so nothing is refused; then it is back."""
    with running(tmp_path) as watch:
        with validator(tmp_path):
            wait_until(lambda: watch.state() == "up", timeout_s=60, what="the validator answers")
            assert watch.judged() == ["valid", "invalid", "not-found"]
        wait_until(lambda: watch.state() == "down", timeout_s=60, what="BIRD misses it")
        watch.ahead(EXPIRE_S - 120)
        with Bird(path=str(tmp_path / "bird.ctl")) as bird:
            wait_until(
                lambda: (of_bird(bird.try_ask, ["validator_rpki1"], [])[0][0]["expires_s"] or EXPIRE_S) <= 120,
                timeout_s=60,
                what="BIRD's clock has run on",
            )
        assert watch.judged() == ["valid", "invalid", "not-found"]
        watch.ahead(EXPIRE_S + 1)
        wait_until(lambda: watch.state() == "empty", timeout_s=60, what="the last answer expires")
        assert watch.judged() == ["unknown", "unknown", "unknown"]
        with validator(tmp_path):
            wait_until(lambda: watch.state() == "up", timeout_s=60, what="the validator answers again")
            assert watch.judged() == ["valid", "invalid", "not-found"]
