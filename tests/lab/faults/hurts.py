"""Changes of templates that are valid and do harm, for each routing daemon; and the exit codes with which a deploy may end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.lab.quick_lab import Project

Hurt = tuple[Callable[[Project], None], tuple[int, ...]]

_BIRD = "bird/provider_session.conf.j2"
_BIRD_EXPORT = "filter {{ export_filter }}\n{\n"
_BIRD_IMPORT = "filter {{ import_filter }}\n{\n"
_FRR_MAPS = "frr/provider_maps.conf.j2"
_FRR_IMPORT = "route-map {{ name }}_in deny 10\n"
_FRR_EXPORT = "route-map {{ name }}_out permit 10\n"


def _patch(template: str, find: str, put: str) -> Callable[[Project], None]:
    return lambda project: project.patch(template, find, put)


def _frr_map(direction: str, put: str) -> Callable[[Project], None]:
    """Another route map for sessions with providers; ``everything`` lets all through."""

    def change(project: Project) -> None:
        find = f"{{{{ start }}}} route-map {{{{ session_name }}}}_{direction} {direction}"
        find = find.replace("session_name", "view.session.name|frr_word")
        project.patch("frr/switch.conf.j2", find, f"{{{{ start }}}} route-map {put} {direction}")
        project.patch(_FRR_MAPS, _FRR_IMPORT, f"route-map everything permit 10\nexit\n!\n{_FRR_IMPORT}")

    return change


HURTS: Mapping[str, Mapping[str, Hurt]] = {
    "bird": {
        "drops sessions": (_patch(_BIRD, "as {{ session.peer_asn|bird_number }};", "as 64999;"), (6, 7)),
        "accepts nothing": (_patch(_BIRD, _BIRD_IMPORT, f"{_BIRD_IMPORT}    if true then reject;\n"), (6, 7)),
        "loses its import filter": (_patch(_BIRD, "import filter {{ import_filter }};", "import all;"), (7,)),
        "announces nothing": (_patch(_BIRD, "export filter {{ export_filter }};", "export none;"), (7,)),
        "announces nothing by its filter": (
            _patch(_BIRD, _BIRD_EXPORT, f"{_BIRD_EXPORT}    if true then reject;\n"),
            (6,),
        ),
        "leaks": (_patch(_BIRD, "export filter {{ export_filter }};", "export all;"), (7,)),
        "leaks by its filter": (_patch(_BIRD, _BIRD_EXPORT, f"{_BIRD_EXPORT}    if true then accept;\n"), (6,)),
    },
    "frr": {
        "drops sessions": (
            _patch(
                "frr/session.conf.j2",
                "remote-as {{ session.peer_asn|frr_number }}",
                "remote-as {{ 64999 if session.kind == 'provider' else 64500 }}",
            ),
            (6, 7),
        ),
        "accepts nothing": (
            _patch(_FRR_MAPS, _FRR_IMPORT, f"route-map {{{{ name }}}}_in deny 5\nexit\n!\n{_FRR_IMPORT}"),
            (6, 7),
        ),
        "loses its import filter": (_frr_map("in", "everything"), (7,)),
        "announces nothing": (_frr_map("out", "nowhere"), (7,)),
        "announces nothing by its filter": (
            _patch(_FRR_MAPS, _FRR_EXPORT, f"route-map {{{{ name }}}}_out deny 5\nexit\n!\n{_FRR_EXPORT}"),
            (6,),
        ),
        "leaks": (_frr_map("out", "everything"), (7,)),
        "leaks by its filter": (
            _patch(
                _FRR_MAPS,
                _FRR_EXPORT,
                f"route-map {{{{ name }}}}_out permit 5\n match metric 77\nexit\n!\n"
                f"route-map {{{{ name }}}}_out permit 6\nexit\n!\n{_FRR_EXPORT}",
            ),
            (6,),
        ),
    },
}
ANNOUNCING = frozenset(
    {"announces nothing", "announces nothing by its filter", "leaks by its filter", "drain below capacity"}
)
"""What cannot be tried where nothing is announced, or where there is one circuit."""
