"""FRR as transactions need it: loaded by frr-reload.py from beside its file, proven line by line, undone from its file."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from netorch.agent import frr_programs, frr_reload
from netorch.agent.clock import uptime, utc_text
from netorch.agent.daemons import ShortProtocol, no_longer_live, short_neighbours
from netorch.agent.files import read_text
from netorch.agent.frr_text import changes_policy, session_names, shown_stamp, stamp_of
from netorch.agent.frr_vty import FrrEnded, FrrRefused
from netorch.model.conventions import CONFIGURATIONS, FRR_STAMP
from netorch.model.frr_lines import differing, lines_of, statements, without_secrets
from netorch.model.frr_words import FAMILIES, session_error, session_state, split_description

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    from netorch.agent.daemons import PrefixCounts
    from netorch.model.announced import Announcement
    from netorch.model.types import IPNetwork

PATH = CONFIGURATIONS["frr"]
CANDIDATE = "/etc/frr/.frr.conf.netorch"
"""Where the transaction writes what it is about to load."""

BY_HAND = "changed by hand"
"""Behind the stamp of a configuration that does not run as it is in the file."""

_ATTEMPTS = 2
_LOCKED_PATIENCE_S = 15.0
"""Whoever types takes parts of what is loaded meanwhile away: so long they are loaded again."""

_SHOWN_DIFFERENCES = 3
_MESSAGE_BYTES = 255  # RFC 9003 section 2
_VERSION = re.compile(r"FRRouting (\S+)")
_PREFERENCE = re.compile(r"^( rpki cache .* preference )\d+$", re.MULTILINE)
_ROUTER = re.compile(r"^router bgp (\d+)$", re.MULTILINE)


class FrrControl:
    """A ``daemons.Control``: a connection to each of FRR's programs. Raises FrrAbsent, FrrSilent."""

    def __init__(self) -> None:
        self._programs = frr_programs.connect()
        found = _VERSION.search(self._ask("zebra", "show version"))
        self.version = found.group(1) if found else ""

    def __enter__(self) -> FrrControl:
        return self

    def __exit__(self, *_: object) -> None:
        for vty in self._programs.values():
            vty.close()

    def _ask(self, program: str, *commands: str) -> str:
        return self._programs[program].ask(*commands)

    def _ask_bgpd(self, *commands: str) -> str:
        return self._ask("bgpd", *commands)

    def _reconnect(self) -> None:
        """To whatever is wanted now; every program has to answer."""
        self.__exit__()
        self._programs = frr_programs.connect()

    # --- what is live

    def live_stamp(self) -> Optional[str]:
        """The stamp that all programs have which keep one; with a remark where something runs otherwise than in its file."""
        stamps = list(self._stamps().values())
        if len(set(stamps)) != 1:
            return "+".join(stamp or "none" for stamp in stamps) if any(stamps) else None
        stamp = stamps[0]
        if stamp is None:
            return None
        path = _file_with(stamp)
        if path is None or self._runs(path) or not frr_reload.differences(path):
            return stamp
        return f"{stamp} {BY_HAND}"

    def live_lines(self, live: Optional[str]) -> List[Dict[str, Any]]:
        """See ``daemons.Control``. A line for which FRR has another form, or that is its default, is told together with those
        that were typed."""
        stamp, _, by_hand = (live or "").partition(" ")
        path = _file_with(stamp) if by_hand else None
        if path is None:
            return []
        running = dict.fromkeys(said for text in self._shown() for said in lines_of(text))
        changes = differing(tuple(running), lines_of(read_text(path) or ""))
        return [{"sign": sign, "line": without_secrets(said)} for sign, said in changes]

    def _stamps(self) -> Dict[str, Optional[str]]:
        found = {}
        for name, program in self._programs.items():
            with suppress(FrrRefused):  # it knows no route maps
                found[name] = shown_stamp(program.ask(f"show route-map {FRR_STAMP}"))
        return found

    def _behind(self, path: str) -> List[str]:
        """The programs that keep a stamp, and have another than ``path``: the others hide what they lack."""
        wanted = stamp_of(read_text(path) or "")
        return [name for name, stamp in self._stamps().items() if wanted is not None and stamp != wanted]

    def _runs(self, path: str) -> bool:
        """Whether FRR runs the very lines of ``path``: the quick proof, which a file that says FRR's defaults does not pass.

        Which validator comes first changes while it runs (netorch.agent.frr_validators)."""
        shown = (_PREFERENCE.sub(r"\1", text) for text in self._shown())
        return statements(shown) == statements([_PREFERENCE.sub(r"\1", read_text(path) or "")])

    def _shown(self) -> List[str]:
        return [program.ask("show running-config") for program in self._programs.values()]

    def last_reconfiguration(self) -> Optional[str]:
        """See ``daemons.Control``. FRR does not tell."""
        return None

    # --- sessions

    def _neighbors(self) -> Dict[str, Any]:
        if "bgpd" not in self._programs:
            return {}
        said = json.loads(self._ask("bgpd", "show bgp neighbors json"))
        return {name: row for name, row in said.items() if isinstance(row, dict)}

    def short_protocols(self) -> List[ShortProtocol]:
        """See ``daemons.Control``: the BGP sessions, the only ones that FRR has, and neighbours of RIP and OSPF."""
        sessions = [_short(name, row) for name, row in self._neighbors().items()]
        return [*sessions, *short_neighbours(self._of_underlay())]

    def _of_underlay(self) -> List[Any]:
        """Neighbours of RIP and OSPF, each a ``model.state.Protocol``."""
        if not any(name in self._programs for name in frr_programs.WITH_NEIGHBOURS):
            return []
        from netorch.agent.frr_neighbours import neighbours

        return list(neighbours(self._ask, self._programs))

    def full_protocols(self) -> List[Dict[str, Any]]:
        """See ``daemons.Control``. A session whose description somebody has changed by hand has its name from the file."""
        from netorch.model.codec import to_json  # these two cost more than all the rest of the facts
        from netorch.parse.frr.sessions import read_neighbors

        found: List[Dict[str, Any]] = list(to_json(tuple(self._of_underlay())))
        if "bgpd" not in self._programs:
            return found
        sessions = list(to_json(read_neighbors(self._ask("bgpd", "show bgp neighbors json"))))
        for protocol in sessions:
            name, protocol["description"] = split_description(protocol.get("description"))
            protocol["name"] = name or self._named_in_file(protocol["name"])
        return [*sessions, *found]

    def validators(self, origins: Sequence[Tuple[str, int]]) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
        """See ``daemons.Control``. Without its module bgpd knows nothing of validators."""
        from netorch.agent.validators import of_frr

        try:
            return of_frr(self._ask_bgpd, origins)
        except (KeyError, FrrRefused):
            return [], []

    def _named_in_file(self, neighbor: str) -> str:
        return session_names(read_text(PATH) or "").get(neighbor, neighbor)

    def count_prefixes(self) -> Dict[str, Dict[str, PrefixCounts]]:
        """See ``daemons.Control``."""
        return {_name(name, row): _counts(row) for name, row in self._neighbors().items()}

    def announced(self, session: str, family: str, *, asn: int, own: Tuple[IPNetwork, ...]) -> Tuple[Announcement, ...]:
        """See ``daemons.Control``."""
        from netorch.agent.frr_announced import announced

        rows = {_name(address, row): (address, row) for address, row in self._neighbors().items()}
        return announced(lambda command: self._ask("bgpd", command), rows[session], family, asn=asn, own=own)

    def close_session(self, session: str, message: str) -> None:
        """See ``daemons.Control``. FRR has no way of closing but its configuration, so that is what is typed."""
        for address, row in self._neighbors().items():
            if _name(address, row) == session and not row.get("adminShutDown"):
                text = message.replace("|", "/")  # FRR takes what stands behind a bar for a filter of its answer
                text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
                text = text.encode()[:_MESSAGE_BYTES].decode(errors="ignore")
                self._type(f"neighbor {address} shutdown{f' message {text}' if text else ''}")

    def open_session(self, session: str) -> None:
        """See ``daemons.Control``."""
        for address, row in self._neighbors().items():
            if _name(address, row) == session and row.get("adminShutDown"):
                self._type(f"no neighbor {address} shutdown")

    def _type(self, command: str) -> None:
        router = _ROUTER.search(self._ask("bgpd", "show running-config"))
        if router is None:
            raise FrrRefused("bgpd has sessions, but no 'router bgp' that they could be closed in")
        self._ask("bgpd", "configure terminal", router.group(0), command, "end")

    def read_kernel(self) -> None:
        """See ``daemons.Control``: the kernel tells zebra."""

    def kernel_writers(self) -> Dict[str, str]:
        """See ``daemons.Control``. zebra writes a route as soon as it has it."""
        return {}

    # --- changing what is live

    def load(self, path: str, *, stamp: str, undo_after_s: float) -> None:
        """See ``daemons.Control``. FRR takes nothing back by itself."""
        self._load(path)
        live = self.live_stamp()
        if live != stamp:
            raise FrrRefused(f"FRR has {live or 'no stamp'} live after loading {stamp}")

    def _load(self, path: str) -> None:
        """Make FRR run ``path``, in as many passes as it takes. Raises FrrRefused with what it would not take.

        Then policies that have changed are put to work. FRR itself does that 5 s after the last line, and must not do it sooner:
        a filter that is half typed would let pass what it is there to keep out.
        """
        frr_programs.await_loaders()
        before = statements(self._shown())
        self._load_lines(path)
        self._start_validators()
        if "bgpd" in self._programs and changes_policy(before ^ statements(self._shown())):
            for family in ("ipv4", "ipv6"):
                with suppress(FrrRefused):  # it has no sessions
                    self._ask("bgpd", f"clear bgp {family} unicast * soft")

    def _start_validators(self) -> None:
        """Have bgpd ask its validators, unless it has none."""
        from netorch.agent.frr_validators import have_asked

        with suppress(KeyError, FrrRefused):
            have_asked(self._ask_bgpd)

    def _load_lines(self, path: str) -> None:
        said = complaint = ""
        left: Tuple[str, ...] = ()
        attempts, until = 0, uptime() + _LOCKED_PATIENCE_S
        while attempts < _ATTEMPTS or (frr_reload.LOCKED in said and uptime() < until):
            attempts += 1
            said = frr_reload.reload(path, alive=self._all_alive)
            complaint = said or complaint
            self._reconnect()
            for program in self._behind(path):
                frr_reload.load_into(program, path, alive=self._all_alive)
            left = () if self._runs(path) else frr_reload.differences(path)
            left = left or tuple(f"all of it, to {program}" for program in self._behind(path))
            if not left:
                return
        more = f" and {len(left) - _SHOWN_DIFFERENCES} more" if len(left) > _SHOWN_DIFFERENCES else ""
        shown = "; ".join(left[:_SHOWN_DIFFERENCES])
        why = f" ({complaint})" if complaint else ""
        raise FrrRefused(f"FRR does not take all of the configuration{why}; what is left to do is: {shown}{more}")

    def _all_alive(self) -> None:
        """Raises FrrSilent where a program has ceased to answer, or has ended."""
        for program in self._programs.values():
            program.ask("show version")

    def confirm(self, *, stamp: str) -> str:
        """See ``daemons.Control``."""
        live = self.live_stamp()
        return "" if live == stamp else no_longer_live("FRR", live, wanted=stamp)

    def reload(self) -> None:
        """See ``daemons.Control``. A file that is none of netorch's may say defaults, which FRR never shows: what it lacks then
        is no error, unless FRR took so little of it that a configuration of netorch's still runs."""
        try:
            self._load(PATH)
        except FrrRefused:
            if stamp_of(read_text(PATH) or "") is not None or any(self._stamps().values()):
                raise

    def shut_down(self) -> None:
        """See ``daemons.Control``."""
        frr_programs.end()

    def undo(self, *, candidate: Optional[str], before: Optional[str], reload: bool) -> List[str]:
        """See ``daemons.Control``. What FRR does not give up by being told to, it does by being started anew.

        Some candidates kill a program of 8.4.4 as soon as it is asked what it runs: it comes back with the file on disk.
        """
        if candidate is None:
            return []
        why = ""
        for _ in range(_ATTEMPTS):
            try:
                self.reload()
                return []
            except FrrEnded as exc:
                why = exc.message
                self._reconnect()
            except FrrRefused as exc:
                why = exc.message
                break
        frr_programs.restart()
        self._reconnect()
        self.reload()
        return [f"FRR was started anew, since it would not go back otherwise: {why}"]


def _file_with(stamp: str) -> Optional[str]:
    """What was loaded last: a file on disk that somebody has edited may have the stamp of the candidate that puts it right."""
    return next((path for path in (CANDIDATE, PATH) if stamp_of(read_text(path) or "") == stamp), None)


def _name(address: str, row: Dict[str, Any]) -> str:
    return split_description(row.get("nbrDesc"))[0] or address


def _short(address: str, row: Dict[str, Any]) -> ShortProtocol:
    word, is_off = row.get("bgpState", ""), bool(row.get("adminShutDown"))
    over = bool(row.get("prefixesConfigExceedMax"))
    state, bgp_state = session_state(word, is_off=is_off, is_over_limit=over, is_passive="bgpStateIs" in row)
    error = None
    if state != "up":
        code, reason = row.get("lastErrorCodeSubcode"), row.get("lastNotificationReason")
        error = session_error(row.get("lastResetDueTo"), code=code, reason=reason, is_over_limit=over)
    words = ("" if state == "down" else bgp_state, error)
    return ShortProtocol(
        _name(address, row),
        "BGP",
        table=None,
        state=state,
        since=_moment(row.get("bgpTimerUpEstablishedEpoch")),
        info=" ".join(word for word in words if word) or None,
        bgp_state=bgp_state,
        error=error or "",
        is_closed=is_off,
    )


def _moment(epoch_s: Optional[int]) -> Optional[str]:
    return None if epoch_s is None else utc_text(epoch_s)


def _counts(row: Dict[str, Any]) -> Dict[str, PrefixCounts]:
    families = row.get("addressFamilyInfo") or {}
    return {
        FAMILIES.get(family, family): (int(said.get("acceptedPrefixCounter", 0)), int(said.get("sentPrefixCounter", 0)))
        for family, said in families.items()
    }
