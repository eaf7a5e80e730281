"""BIRD as transactions need it: validated by another process, loaded with BIRD's own way back, undone."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress

from netorch.agent import bird
from netorch.agent.bird import Bird
from netorch.agent.clock import as_utc, uptime, wait
from netorch.agent.daemons import DaemonAbsent, DaemonSilent, no_longer_live, said_of_version, short_neighbours
from netorch.agent.outcome import Refused
from netorch.agent.paths import PROGRAMS
from netorch.model.conventions import BIRD_SOCKET, CONFIGURATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

    from netorch.agent.daemons import PrefixCounts, ShortProtocol
    from netorch.model.announced import Announcement
    from netorch.model.types import IPNetwork

VALIDATE_TIMEOUT_S = 30.0
SETTLE_TIMEOUT_S = 30.0
_UNDO_MARGIN_S = 1.0
_MASTERS = {"ipv4": "master4", "ipv6": "master6"}
_SETTLE_INTERVAL_S = 0.05
_COMPLAINT = re.compile(r"(?P<file>/\S*?):(?P<line>\d+):(?P<column>\d+) (?P<text>.*)")


class BirdDaemon:
    """A ``daemons.Daemon``."""

    name = "bird"
    title = "BIRD"
    unit = "bird"
    path = CONFIGURATIONS["bird"]
    replaces_file = False
    placed_first: Tuple[str, ...] = ()
    start_timeout_s = 20.0

    def stamp_of(self, text: str) -> Optional[str]:
        """See ``daemons.Daemon``."""
        return bird.stamp_of(text)

    def installed_version(self) -> Optional[str]:
        """See ``daemons.Daemon``."""
        program = _program()
        return said_of_version(program).rpartition(" ")[2] or None if program is not None else None

    def refuse_manager(self) -> None:
        """See ``daemons.Daemon``: no manager is known that writes BIRD's."""

    def validate(self, candidate: str, *, path: str, text: str) -> None:
        """See ``daemons.Daemon``."""
        validate(candidate, path=path, text=text)

    def speaks(self) -> bool:
        """See ``daemons.Daemon``."""
        try:
            with self.connect():
                return True
        except DaemonAbsent:
            return False
        except DaemonSilent:
            return True

    def match_programs(self) -> None:
        """See ``daemons.Daemon``. BIRD is one program."""

    def renew(self) -> Tuple[str, ...]:
        """See ``daemons.Daemon``. No file says how BIRD is started."""
        return ()

    def started_without(self) -> Tuple[str, ...]:
        """See ``daemons.Daemon``. No file says how BIRD is started."""
        return ()

    def connect(self) -> BirdControl:
        """See ``daemons.Daemon``."""
        return BirdControl()


class BirdControl(Bird):
    """A ``daemons.Control``, on BIRD's control socket."""

    def __enter__(self) -> BirdControl:
        return self

    def short_protocols(self) -> List[ShortProtocol]:
        """See ``daemons.Control``."""
        found = super().short_protocols()
        return [*found, *short_neighbours(self._neighbours(found))]

    def full_protocols(self) -> List[Dict[str, Any]]:
        """See ``daemons.Control``. BIRD tells moments in the device's own time."""
        from netorch.model.codec import to_json  # these two cost more than all the rest of the facts
        from netorch.parse.protocols import parse_protocols

        found = parse_protocols(self.ask("show protocols all").text)
        documents: List[Dict[str, Any]] = list(to_json((*found, *self._neighbours(found))))
        for one in documents:
            one["since"] = as_utc(one.get("since") or "") or None
        return documents

    def _neighbours(self, protocols: Iterable[Any]) -> List[Any]:
        """Those of RIP and OSPF, each a ``model.state.Protocol``."""
        instances = [one for one in protocols if one.protocol in ("RIP", "OSPF")]
        if not instances:
            return []
        from netorch.parse.neighbours import parse_ospf_neighbors, parse_rip_neighbors  # takes as long as the rest

        found: List[Any] = []
        for one in instances:
            if one.protocol == "RIP":
                found += parse_rip_neighbors(self.ask(f"show rip neighbors {bird.quoted_name(one.name)}").text)
            else:
                found += parse_ospf_neighbors(self.ask(f"show ospf neighbors {bird.quoted_name(one.name)}").text)
        return found

    def count_prefixes(self) -> Dict[str, Dict[str, PrefixCounts]]:
        """``show protocols all``, its ``Routes:`` lines only: a full parse takes longer than the whole rest of an apply."""
        counts: Dict[str, Dict[str, PrefixCounts]] = {}
        name = channel = ""
        for line in self.ask("show protocols all").lines:
            if line[:1] not in ("", " "):
                name = line.split(None, 1)[0]
            elif line.startswith("  Channel "):
                channel = line.split()[1]
            elif line.startswith("    Routes: "):
                words = line.split()
                found = dict(zip(words[2::2], words[1::2]))
                numbers = int(found.get("imported,", 0)), int(found.get("exported,", 0))
                counts.setdefault(name, {})[channel] = numbers
        return counts

    def validators(self, origins: Sequence[Tuple[str, int]]) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
        """See ``daemons.Control``."""
        from netorch.agent.validators import of_bird

        names = [found.name for found in super().short_protocols() if found.protocol == "RPKI"]
        return of_bird(self.try_ask, names, origins)

    def announced(self, session: str, family: str, *, asn: int, own: Tuple[IPNetwork, ...]) -> Tuple[Announcement, ...]:
        """See ``daemons.Control``. ``exported`` tells what has gone out, ``export`` with what attributes."""
        from netorch.parse.announced import read_bird_announcements

        inside = ", ".join(f"{prefix}+" for prefix in own)
        start, name = f"show route table {_MASTERS[family]} where net ~ [ {inside} ]", bird.quoted_name(session)
        return read_bird_announcements(
            self.ask(f"{start} exported {name}").text, self.ask(f"{start} export {name} all").text, asn=asn
        )

    def load(self, path: str, *, stamp: str, undo_after_s: float) -> None:
        """Load it; BIRD takes it back by itself after ``undo_after_s`` unless it is confirmed."""
        self.ask(f'configure "{path}" timeout {math.ceil(undo_after_s + _UNDO_MARGIN_S)}')
        self._settle()
        live = self.live_stamp()
        if live != stamp:
            raise bird.BirdRefused(f"BIRD has {live or 'no stamp'} live after loading {stamp}")

    def _settle(self) -> None:
        """Wait until BIRD has put its configuration to work."""
        deadline = uptime() + SETTLE_TIMEOUT_S
        while self.is_reconfiguring():
            if uptime() >= deadline:
                raise bird.BirdSilent(f"BIRD is still reconfiguring after {SETTLE_TIMEOUT_S:g} s")
            wait(_SETTLE_INTERVAL_S)

    def confirm(self, *, stamp: str) -> str:
        """See ``daemons.Control``."""
        live = self.live_stamp()
        if live != stamp:
            return no_longer_live("BIRD", live, wanted=stamp)
        reply = self.try_ask("configure confirm")
        if reply.code != bird.CONFIRMED:
            return (
                f"BIRD has nothing to confirm ({reply.code:04d} {reply.lines[-1]}): someone or its own timer was faster"
            )
        return ""

    def reload(self) -> None:
        """See ``daemons.Control``."""
        self.ask("configure")
        self._settle()

    def shut_down(self) -> None:
        """See ``daemons.Control``."""
        with suppress(bird.BirdSilent):  # it may be gone before it has answered
            self.try_ask("down")

    def undo(self, *, candidate: Optional[str], before: Optional[str], reload: bool) -> List[str]:
        """See ``daemons.Control``."""
        if candidate is None:
            return []
        if candidate == before:
            self.try_ask("configure confirm")  # the same configuration was loaded again: only stop the timer
            return []
        self._settle()
        live = self.live_stamp()
        if live == candidate and not reload:
            # Only then: BIRD would undo an earlier, confirmed change just as well.
            self.try_ask("configure undo")
            self._settle()
            live = self.live_stamp()
        if live == before and not reload:
            # Somebody's own `configure timeout` would bring back what was live before it: the candidate.
            self.try_ask("configure confirm")
            return []
        self.reload()
        return ["BIRD's own undo was not to be had: the file on disk was loaded instead"]

    def close_session(self, session: str, message: str) -> None:
        """See ``daemons.Control``."""
        if any(found.name == session and not found.is_closed for found in self.short_protocols()):
            text = f" {bird.quoted_text(message)}" if message else ""
            self.ask(f"disable {bird.quoted_name(session)}{text}")

    def open_session(self, session: str) -> None:
        """See ``daemons.Control``."""
        if any(found.name == session and found.is_closed for found in self.short_protocols()):
            self.ask(f"enable {bird.quoted_name(session)}")

    def read_kernel(self) -> None:
        """Let BIRD read the kernel's tables now, not at its next scan minutes later.

        The kernel drops routes together with their source address without telling, and news of an address is lost where
        BIRD's netlink socket is full of a table's echo. A kernel protocol that learns is read anew when it is reloaded; one
        that does not, or is not up, has nothing to say to it.
        """
        for name in map(bird.quoted_name, self.kernel_writers()):
            if self.try_ask(f"reload in {name}").code >= bird.FIRST_ERROR:
                self.try_ask(f"reload filters in {name}")  # what BIRD 3 calls it: it looks at the kernel as well

    def kernel_writers(self) -> Dict[str, str]:
        """The kernel protocols: each writes its routes with its first scan, a second or two after it was started."""
        return {found.name: found.since or "" for found in self.short_protocols() if found.protocol == "Kernel"}


def validate(candidate: str, *, path: str, text: str) -> None:
    """Let ``bird -p`` read the candidate, as the user that the daemon runs as, in a process of its own.

    Raises Refused with BIRD's message, the source line and a caret. A daemon that runs as root is not made weaker here: a
    configuration may name files that only its user can open.
    """
    import subprocess  # 5 ms that a change of kernel items alone does not need

    program = _program()
    if program is None:
        raise Refused("there is no program bird here", hint="install BIRD: apt-get install bird2")
    user, group = _runs_as()
    try:
        run = subprocess.run(
            [program, "-p", "-c", candidate],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VALIDATE_TIMEOUT_S,
            check=False,
            cwd="/",
            user=user,
            group=group,
            extra_groups=[],
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"bird -p did not finish within {VALIDATE_TIMEOUT_S:g} s") from None
    if run.returncode != 0:
        said = (run.stderr + run.stdout).decode("utf-8", "replace").strip()
        raise Refused(complaint(said or f"bird -p ended with status {run.returncode}", path=path, text=text))


def _runs_as() -> Tuple[int, int]:
    """The user and group that BIRD runs as: those of its socket, or else those that its package made for it."""
    try:
        owner = os.stat(BIRD_SOCKET)
        return owner.st_uid, owner.st_gid
    except FileNotFoundError:
        import pwd

        with suppress(KeyError):
            made = pwd.getpwnam("bird")
            return made.pw_uid, made.pw_gid
        return 0, 0


def complaint(said: str, *, path: str, text: str) -> str:
    """BIRD's message about ``path``, with the line of ``text`` that it is about and a caret below the place."""
    lines = said.splitlines()
    found = next((match for match in map(_COMPLAINT.search, lines) if match), None)
    if found is None:
        return f"BIRD refuses {path}: {lines[-1]}"
    number, column = int(found["line"]), int(found["column"])
    message = f"BIRD refuses {path}:{number}:{column} {found['text']}"
    source = text.split("\n")
    if not 0 < number <= len(source):
        return message
    # Tabs would move the caret. Any string may be a password, whatever a template's mistake has made of the word before it.
    shown = _masked(source[number - 1])
    return f"{message}\n  {number} | {shown.expandtabs(1)}\n  {' ' * len(str(number))} | {' ' * max(0, column - 1)}^"


def _masked(line: str) -> str:
    """``line`` with the insides of its strings hidden; one that does not end is hidden to the end of the line."""
    parts = line.split('"')
    return '"'.join("*" * len(part) if number % 2 else part for number, part in enumerate(parts))


def _program() -> Optional[str]:
    paths = (f"{folder}/bird" for folder in PROGRAMS)
    return next((path for path in paths if os.access(path, os.X_OK)), None)
