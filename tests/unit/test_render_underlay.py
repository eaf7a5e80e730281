"""Underlays as configurations of both daemons, as they were last read by a person and as the daemons themselves read them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from netorch.intent import derive_intent
from netorch.io.template_files import read_templates
from netorch.model.capabilities import RELEASES, Capabilities, capabilities_of
from netorch.render import TemplateSource, render_for, seal
from tests.golden.write import UNDERLAY_FOLDER, WITHOUT_GROUPS, rendered_underlay, underlay_inventory, untyped

FILES = [f"{daemon}/r1.{protocol}.conf" for daemon in ("bird", "frr") for protocol in ("bgp", "ospf", "rip")]
# BIRD 3.1's way into the kernel is otherwise: tests/lab/test_bird_versions.py.
IN_STEP = [can for can in RELEASES if can.kernel_in_step]
RIP_FILTERS = re.compile(r"( redistribute [^\n]+\n)((?: (?:ipv6 )?distribute-list [^\n]+\n)+)")
READERS = {"bird": ["bird", "-p", "-c"], "frr": ["vtysh", "-C", "-f"]}


def test_no_golden_file_is_left_over() -> None:
    """One router of each protocol, in the language of each daemon."""
    assert sorted(str(path.relative_to(UNDERLAY_FOLDER)) for path in UNDERLAY_FOLDER.glob("*/*.conf")) == FILES


@pytest.mark.parametrize("can", IN_STEP, ids=lambda can: f"{can.daemon}-{can.release}")
def test_configuration_is_the_golden_one(can: Capabilities) -> None:
    """Every release gets the golden file, but for what FRR 8.4.4 alone is told, types of BIRD's functions, which later
    releases are, and the order of RIP's lines in FRR 10.3; `python -m tests.golden.write` writes it anew."""
    rendered = rendered_underlay(can.daemon, can.release)
    for file in FILES:
        daemon, name = file.split("/")
        if daemon == can.daemon:
            golden = (UNDERLAY_FOLDER / file).read_text()
            if can.shows_rip_filters_first:
                golden = RIP_FILTERS.sub(r"\2\1", golden)
            assert untyped(rendered[name]) == (golden.replace(WITHOUT_GROUPS, "") if can.mends_next_hops else golden)


@pytest.mark.parametrize("file", FILES)
def test_daemon_accepts_the_golden_file(tmp_path: Path, file: str) -> None:
    """The daemon's own check takes the sealed file without a word."""
    daemon = file.partition("/")[0]
    path = tmp_path / "candidate.conf"
    path.write_text(seal((UNDERLAY_FOLDER / file).read_text(), lambda _: "a secret", daemon=daemon))
    done = subprocess.run([*READERS[daemon], str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("file", FILES)
def test_file_reads_well(file: str) -> None:
    """No trailing blanks, no two empty lines in a row, no long line, one line break at the end."""
    text = (UNDERLAY_FOLDER / file).read_text()
    assert re.findall(r"[ \t]\n|\n\n\n|.{131,}", text) == []
    assert text.endswith(("}\n", "exit\n"))


@pytest.mark.parametrize(
    ("router", "running"),
    [("r1.rip", {"ripd", "ripngd"}), ("r1.ospf", {"ospfd", "ospf6d"}), ("r1.bgp", {"bgpd", "bfdd"})],
)
def test_frr_runs_what_the_underlay_needs(router: str, running: set[str]) -> None:
    """The second file names the daemons of the protocol and of both families, and no others."""
    can = capabilities_of("frr", "8.4.4")
    assert can is not None
    device = derive_intent(underlay_inventory()).device(router)
    daemons = render_for(can, device, templates=TemplateSource(read_templates()))[1]
    assert set(re.findall(r"^(\w+)=yes$", daemons.text, re.MULTILINE)) == running | {"vtysh_enable"}
