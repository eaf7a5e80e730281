"""What people type as an address or a prefix reaches daemons as one, and as nothing else."""

from __future__ import annotations

from typing import Any, Callable, Mapping

import pytest

from netorch.agent.outcome import Refused
from netorch.agent.trace import inside, trace
from netorch.cli.main import main
from netorch.errors import RenderError, UsageError
from netorch.loader import bundled_plugins
from netorch.model.types import read_address, read_network
from netorch.render.plain import address_text, prefix_text
from netorch.testing import fake_context
from tests.unit.inventory_texts import example, load

COMMAND = "2600:1400::1%a\ndisable sw1_v4\n#"
WRONG_ADDRESSES = (COMMAND, "fe80::1%eth0", "2600::1 all", "192.0.2.1\n", " 192.0.2.1", "\u0661.2.3.4", "")
WRONG_PREFIXES = ("2600:1400::%x/24", "2600::%a\nb/24", "192.0.2.0/24\n", "192.0.2.0/24 all", "/24", "")


@pytest.mark.parametrize("text", WRONG_ADDRESSES)
def test_an_address_is_nothing_but_an_address(text: str) -> None:
    """Zones, which may hold anything, and characters that are no digits are refused, on the way into a configuration too."""
    with pytest.raises(ValueError, match=r"expected|appear"):
        read_address(text)
    with pytest.raises(RenderError):
        address_text(text)


@pytest.mark.parametrize("text", WRONG_PREFIXES)
def test_a_prefix_is_nothing_but_a_prefix(text: str) -> None:
    """The same of prefixes."""
    with pytest.raises(ValueError, match=r"expected|appear"):
        read_network(text)
    with pytest.raises(RenderError):
        prefix_text(text)


def test_addresses_and_prefixes_of_both_families() -> None:
    """As they are written."""
    texts = ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1")
    assert [read_address(text) for text in texts] == [read_address(str(read_address(text))) for text in texts]
    assert [str(read_network(text)) for text in ("192.0.2.0/24", "2600:1400::/24")] == [
        "192.0.2.0/24",
        "2600:1400::/24",
    ]


@pytest.mark.parametrize("command", [("explain", COMMAND, "--from", "h1.pop1"), ("ping", COMMAND, "--from", "h1.pop1")])
def test_commands_refuse_them(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Before any device is asked."""
    assert main([*command]) == 64
    assert "expected an IPv4 or IPv6 address" in capsys.readouterr().err


@pytest.mark.parametrize(("plugin", "verb", "more"), [("steer", "steer", "via"), ("announce", "announce", "to")])
@pytest.mark.parametrize("text", ["2600:1400::%x/24", "2001:db8:1::%a\nb/48"])
def test_verbs_refuse_them(plugin: str, verb: str, more: str, text: str) -> None:
    """A prefix with a zone is none."""
    found = next(one for one in bundled_plugins() if one.name == plugin)
    arguments = {option.name.replace("-", "_"): () if option.many else None for option in _verb(found, verb).options}
    steps = _verb(found, verb).run(fake_context(found, load(example())), {**arguments, "prefix": text, more: None})
    with pytest.raises(UsageError, match=r"expected a prefix|PREFIX"):
        next(iter(steps))


def _verb(plugin: Any, name: str) -> Any:
    return next(verb for verb in plugin.verbs if verb.name == name)


@pytest.mark.parametrize("daemon", ["bird", "frr"])
@pytest.mark.parametrize(
    ("operation", "question"),
    [
        (trace, {"queries": [{"destination": COMMAND, "mark": 0, "tables": []}]}),
        (inside, {"prefix": "2600::%a\nb/24", "views": []}),
    ],
    ids=["trace", "inside"],
)
def test_agents_refuse_them_again(
    daemon: str, operation: Callable[[dict[str, Any]], Any], question: Mapping[str, Any]
) -> None:
    """Whoever asks: no daemon is given a command that holds more than an address."""
    with pytest.raises(Refused, match="no zone"):
        operation({"daemon": daemon, **question})
