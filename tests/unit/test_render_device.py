"""Rendering one device: overrides, errors with their place, and what the text must never hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netorch.errors import RenderError
from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.intent import DeviceIntent, Session
from netorch.render import TemplateSource, render_device
from tests.unit.inventory_texts import example, load


@pytest.fixture(scope="module")
def switch() -> DeviceIntent:
    return derive_intent(load(example())).device("sw2.pop1")


@pytest.fixture(scope="module")
def shipped() -> dict[str, str]:
    return read_templates()


def text_of(device: DeviceIntent, texts: dict[str, str]) -> str:
    (file,) = render_device(device, TemplateSource(texts))
    return file.text


def with_first_session(device: DeviceIntent, **changes: object) -> DeviceIntent:
    first: Session = replace(device.sessions[0], **changes)  # type: ignore[arg-type]
    return replace(device, sessions=(first, *device.sessions[1:]))


def test_file_is_the_daemons_main_configuration(switch: DeviceIntent, shipped: dict[str, str]) -> None:
    """One file, readable by BIRD's group and by nobody else."""
    (file,) = render_device(switch, TemplateSource(shipped))
    assert (file.path, file.mode, file.group, file.daemon) == ("/etc/bird/bird.conf", 0o640, "bird", "bird")


def test_rendering_is_repeatable(switch: DeviceIntent, shipped: dict[str, str]) -> None:
    """The same intent gives the same text, with compiled templates old or new."""
    source = TemplateSource(shipped)
    assert (
        len(
            {
                render_device(switch, source),
                render_device(switch, source),
                render_device(switch, TemplateSource(shipped)),
            }
        )
        == 1
    )


@pytest.mark.parametrize("change", [{"daemon": "frr"}, {"version": "3.0.1"}, {"version": "1.6.8"}])
def test_unknown_daemon_is_refused(switch: DeviceIntent, shipped: dict[str, str], change: dict[str, str]) -> None:
    """There is no template to fall back on."""
    with pytest.raises(RenderError, match="there are no templates for") as caught:
        render_device(replace(switch, **change), TemplateSource(shipped))  # type: ignore[arg-type]
    assert caught.value.where == "sw2.pop1"


@pytest.mark.parametrize(("version", "times"), [("2.0.12", 0), ("2.17", 2), ("2.17.5", 2), ("3.1", 2)])
def test_release_decides_what_introduces_a_password(
    switch: DeviceIntent, shipped: dict[str, str], version: str, times: int
) -> None:
    """Older releases refuse the word that newer ones ask for; nothing else of sessions differs."""
    sessions = "# ---- providers ----"
    text = text_of(replace(switch, version=version), shipped)
    word = "    authentication md5;\n"
    assert text.count(f"{word}    password ") == text.count(word) == times
    older = text_of(switch, shipped).partition(sessions)[2]
    assert older
    assert text.partition(sessions)[2].replace(word, "") == older


def test_release_that_loses_routes_is_not_for_hosts(shipped: dict[str, str]) -> None:
    """BIRD 3.1 is rendered for a switch and refused for a host."""
    with pytest.raises(RenderError, match=r"no templates for bird 3\.1 on a host"):
        render_device(replace(derive_intent(load(example())).device("h1.pop1"), version="3.1"), TemplateSource(shipped))


def test_operators_folder_overrides_and_adds(tmp_path: Path, switch: DeviceIntent) -> None:
    """A file of the same relative path replaces netorch's own; a local one is included."""
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird" / "provider_session.conf.j2").write_text("# no provider today\n")
    (tmp_path / "bird" / "local-switch.conf.j2").write_text("# {{ device.name|bird_comment }} has a local part\n")
    text = text_of(switch, read_templates(str(tmp_path)))
    assert "# no provider today\n" in text
    assert "protocol bgp northtel_2_v4" not in text
    assert text.endswith("# sw2.pop1 has a local part\n")


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    """A folder that the inventory names must be there."""
    with pytest.raises(RenderError, match="expected a folder"):
        read_templates(str(tmp_path / "none"))


def test_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """A template that is not UTF-8 is named."""
    (tmp_path / "bad.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(RenderError) as caught:
        read_templates(str(tmp_path))
    assert caught.value.where.endswith("bad.j2")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("line\n{{ nothing }}\n", "bird/common.conf.j2:2", "'nothing' is undefined"),
        ("line\n\n{{ device.colour }}\n", "bird/common.conf.j2:3", "no attribute 'colour'"),
        ("{% if %}\n", "bird/common.conf.j2:1", "Expected an expression"),
        ("line\n{{ 1 / 0 }}\n", "bird/common.conf.j2:2", "ZeroDivisionError"),
        ("{{ device.name|bird_symbol }}\n", "bird/common.conf.j2:1", "expected a symbol"),
        ("{{ device.name|colour }}\n", "bird/common.conf.j2:1", "No filter named 'colour'"),
        ('line\n{% include "bird/none.j2" %}\n', "bird/common.conf.j2:2", "there is no template bird/none.j2"),
    ],
)
def test_errors_name_template_and_line(
    switch: DeviceIntent, shipped: dict[str, str], text: str, place: str, message: str
) -> None:
    """Every way in which a template fails is a RenderError with device, template and line."""
    with pytest.raises(RenderError, match=message) as caught:
        text_of(switch, {**shipped, "bird/common.conf.j2": text})
    assert caught.value.where == f"sw2.pop1: {place}"


def test_missing_template_is_an_error(switch: DeviceIntent) -> None:
    """Without a template for its role a device is not rendered."""
    with pytest.raises(RenderError, match=r"there is no template bird/switch\.conf\.j2"):
        render_device(switch, TemplateSource({}))


def test_hostile_name_is_refused(switch: DeviceIntent, shipped: dict[str, str]) -> None:
    """A session's name that is no symbol never becomes text."""
    with pytest.raises(RenderError, match="expected a symbol"):
        text_of(with_first_session(switch, name="x { } protocol static y"), shipped)


def test_description_cannot_call_for_a_secret(switch: DeviceIntent, shipped: dict[str, str]) -> None:
    """The only tokens in a text are those of the templates."""
    hostile = with_first_session(switch, description="@secret:env:HOME@", enabled=False, shutdown_message="@stamp@")
    text = text_of(replace(hostile, pop="@secret:env:PATH@"), shipped)
    assert text.count("@secret:") == 2
    assert text.count("@stamp@") == 1


def test_secret_itself_is_nowhere(switch: DeviceIntent, shipped: dict[str, str]) -> None:
    """A password is a reference until the text is sealed."""
    assert text_of(switch, shipped).count('password "@secret:file:../.lab/secrets/southnet@";') == 2
