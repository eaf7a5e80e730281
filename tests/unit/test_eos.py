"""Arista EOS: labels through its CLI, here a stand-in that notes down what it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.agent.eos import describe_interface, eos_name


@pytest.mark.parametrize(
    ("kernel", "eos"),
    [
        ("et1", "Ethernet1"),
        ("et3_1", "Ethernet3/1"),
        ("et3_1_4", "Ethernet3/1/4"),
        ("et7.100", "Ethernet7.100"),
        ("ma1", "Management1"),
        ("po10", "Port-Channel10"),
        ("vlan200", "Vlan200"),
        ("lo", None),
        ("eth0", None),
        ("br0", None),
        ("et1x", None),
    ],
)
def test_names_of_interfaces(kernel: str, eos: str | None) -> None:
    """EOS's own names, of those that are its own."""
    assert eos_name(kernel) == eos


def stand_in(folder: Path, answer: str = "", code: int = 0) -> tuple[str, Path]:
    """A program that notes its arguments, one per line, and answers."""
    log = folder / "asked"
    program = folder / "FastCli"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" --- >> {log}\nprintf '%s' '{answer}'\nexit {code}\n")
    program.chmod(0o755)
    return str(program), log


@pytest.mark.parametrize(
    ("label", "command"),
    [
        ("northtel: circuit 1", "description northtel: circuit 1"),
        ("", "no description"),
        ("x\nno ip routing\r\nend", "description x no ip routing end"),
        ("$(reboot) `reboot` | more", "description $(reboot) `reboot` | more"),
    ],
)
def test_a_label_is_one_command(tmp_path: Path, label: str, command: str) -> None:
    """Whatever people typed, it cannot become a second command, nor one of a shell."""
    program, log = stand_in(tmp_path)
    describe_interface(program, "et3_1", label)
    assert log.read_text().splitlines() == ["-p", "15", "-c", "configure", "interface Ethernet3/1", command, "---"]


def test_interfaces_of_others_are_not_asked_for(tmp_path: Path) -> None:
    """A bridge or dummy that EOS does not know."""
    program, log = stand_in(tmp_path)
    describe_interface(program, "br0", "a bridge")
    assert not log.exists()


@pytest.mark.parametrize(
    ("answer", "code", "told"), [("% Invalid input", 0, "% Invalid input"), ("", 1, "exit code 1")]
)
def test_complaints_are_told(tmp_path: Path, answer: str, code: int, told: str) -> None:
    """FastCli ends well also where it refuses a command."""
    program, _ = stand_in(tmp_path, answer, code)
    with pytest.raises(OSError, match=told):
        describe_interface(program, "et1", "x")


def test_a_silent_cli_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels after it, and those that are undone, fail at once; once its time is over it is asked again."""
    program = tmp_path / "FastCli"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr("netorch.agent.eos.TIMEOUT_S", 0.1)
    monkeypatch.setattr("netorch.agent.eos._Silence.until", 0.0)
    for said in ("gave no answer within", "was not asked, since it gave no answer before"):
        with pytest.raises(OSError, match=said):
            describe_interface(str(program), "et1", "x")
    monkeypatch.setattr("netorch.agent.eos._Silence.until", 0.0)
    with pytest.raises(OSError, match="gave no answer within"):
        describe_interface(str(program), "et1", "x")
