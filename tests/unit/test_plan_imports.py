"""Whether a new BIRD configuration may change what sessions accept, and so for how long a deploy watches."""

from __future__ import annotations

import pytest

from netorch.plan.bird import may_change_imports

CONFIG = """
define NETORCH_STAMP = "a";
define OWN = [ 192.0.2.0/24 ];
ipv4 table own4;
roa4 table roas;
filter from_north { if net ~ OWN then reject; accept; }  # a comment
protocol static own { ipv4 { table own4; }; route 10.0.0.0/24 blackhole; }
protocol static roa { roa4 { table roas; }; route 192.0.2.0/24 max 24 as 64500; }
protocol kernel { ipv4 { export none; }; }
template bgp provider { local as 64500; }
protocol bgp north from provider {
  description "north; { 1 }";
  neighbor 203.0.113.1 as 64496;
  ipv4 { import filter from_north; export none; };
}
"""


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ('STAMP = "a"', 'STAMP = "b"'),
        ("a comment", "another"),
        ("north; { 1 }", "north; { 2 }"),
        ("10.0.0.0/24", "10.0.1.0/24"),
        ("kernel { ipv4 { export none", "kernel { ipv4 { export all"),
        ("neighbor 203.0.113.1 as 64496;", "disabled;  # works\n  neighbor 203.0.113.1 as 64496;"),
    ],
)
def test_what_no_import_looks_at_is_not_waited_for(find: str, put: str) -> None:
    """Stamp, comments, descriptions, static routes, the kernel's protocols and a session that closes leave imports alone."""
    assert find in CONFIG
    assert not may_change_imports(CONFIG, CONFIG.replace(find, put))


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("[ 192.0.2.0/24 ]", "[ 198.51.100.0/24 ]"),
        ("then reject; accept", "then accept; reject"),
        ("import filter from_north", "import none"),
        ("local as 64500", "local as 64501"),
        ("max 24", "max 25"),
        ("protocol bgp north", "protocol bgp south"),
        ("protocol static roa {", "protocol static roa { disabled;"),
    ],
)
def test_what_an_import_may_look_at_is_waited_for(find: str, put: str) -> None:
    """Sets, filters, channels, templates and ROA tables may change what is accepted."""
    assert find in CONFIG
    assert may_change_imports(CONFIG, CONFIG.replace(find, put))
