"""ssh_config files: which options hold for a host. OpenSSH's rules; what netorch does not do is refused, not ignored,
where ignoring it would reach another machine than ``ssh`` does.

Source: ssh_config(5) of OpenSSH 9.2.
"""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from netorch.errors import TransportError
from netorch.io import ssh_patterns

_SEVERAL = frozenset({"identityfile", "certificatefile"})
_VERBATIM = frozenset({"proxycommand"})
_EXCLUDE_EACH_OTHER = {"proxycommand": "proxyjump", "proxyjump": "proxycommand"}
_DEPTH = 16


class ConfigError(TransportError):
    """An ssh_config file cannot be followed; ``where`` is ``file:line``."""


@dataclass(frozen=True)
class ConfigLine:
    """``keyword`` in lower case with its words, and where it stands."""

    keyword: str
    words: tuple[str, ...]
    path: str
    number: int

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.path}:{self.number}"


@dataclass
class Options:
    """What the files say of one host: first value wins, but IdentityFile and CertificateFile add up."""

    values: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def one(self, keyword: str) -> str | None:
        """The value of ``keyword`` with its words joined by spaces; None where no file sets it."""
        words = self.values.get(keyword)
        return None if words is None else " ".join(words)

    def several(self, keyword: str) -> list[str] | None:
        """The words of ``keyword``; None where no file sets it."""
        return self.values.get(keyword)

    def add(self, line: ConfigLine) -> None:
        """Take ``line`` unless an earlier one decided the same thing."""
        if line.keyword in _SEVERAL:
            present = self.values.setdefault(line.keyword, [])
            present.extend(word for word in line.words if word not in present)
        elif line.keyword not in self.values and _EXCLUDE_EACH_OTHER.get(line.keyword) not in self.values:
            self.values[line.keyword] = list(line.words)
        self.places.setdefault(line.keyword, line.place)


@dataclass(frozen=True)
class ConfigReader:
    """Reads ``files`` in order (the user's, then the system's); ``read`` gives a file's text, None when there is none.

    ``user`` is the local user's name. Relative Include paths start at the folder of the file in ``files`` that leads to them.
    """

    files: tuple[str, ...]
    home: str
    user: str
    read: Callable[[str], str | None]

    def options(self, host: str, *, given: Mapping[str, str]) -> Options:
        """The options of ``host``; ``given`` (keyword in lower case -> value) is decided already and wins.

        Raises ConfigError for a line that cannot be read or followed.
        """
        options = Options({keyword: [value] for keyword, value in given.items()})
        evaluation = _Evaluation(self, host, options)
        evaluation.run()
        if evaluation.wants_final_pass:
            evaluation.final = True
            evaluation.run()
        return options


@dataclass
class _Evaluation:
    reader: ConfigReader
    host: str
    options: Options
    final: bool = False
    wants_final_pass: bool = False

    def run(self) -> None:
        for path in self.reader.files:
            self._file(path, folder=os.path.dirname(path), enabled=True, depth=0)

    def _file(self, path: str, *, folder: str, enabled: bool, depth: int) -> None:
        active = enabled
        for line in self._lines(path):
            if line.keyword == "host":
                active = enabled and ssh_patterns.matches(line.words, self.host)
            elif line.keyword == "match":
                active = enabled and self._match(line)
            elif line.keyword == "include":
                if depth >= _DEPTH:
                    raise ConfigError("Include is nested too deeply: does a file include itself?", where=line.place)
                for included in self._included(line, folder):
                    self._file(included, folder=folder, enabled=active, depth=depth + 1)
            elif active:
                self.options.add(line)

    def _lines(self, path: str) -> Iterator[ConfigLine]:
        text = self.reader.read(path)
        for number, raw in enumerate((text or "").splitlines(), 1):
            line = _parse_line(raw, path, number)
            if line is not None:
                yield line

    def _included(self, line: ConfigLine, folder: str) -> Iterator[str]:
        for word in line.words:
            pattern = self.reader.home + word[1:] if word.startswith("~/") else word
            yield from sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))

    def _match(self, line: ConfigLine) -> bool:
        words = list(line.words)
        while words:
            word = words.pop(0).lower()
            criterion = word.lstrip("!")
            if criterion in ("all", "final", "canonical"):
                holds = self._holds_alone(criterion)
            else:
                if not words:
                    raise ConfigError(f"Match {criterion}: expected a pattern after it", where=line.place)
                holds = self._holds(criterion, words.pop(0), line)
            if holds == word.startswith("!"):
                return False
        return True

    def _holds_alone(self, criterion: str) -> bool:
        if criterion == "final":
            self.wants_final_pass = True
            return self.final
        return criterion == "all"

    def _holds(self, criterion: str, patterns: str, line: ConfigLine) -> bool:
        subjects = {
            "host": self.options.one("hostname") or self.host,
            "originalhost": self.host,
            "user": self.options.one("user") or self.reader.user,
            "localuser": self.reader.user,
        }
        if criterion not in subjects:
            raise ConfigError(
                f"netorch does not follow 'Match {criterion}'",
                where=line.place,
                hint="use Host, or Match with host, originalhost, user or localuser; or put 'Match !originalhost ADDRESSES' "
                "before it on the same line to keep netorch's devices out of it",
            )
        return ssh_patterns.matches(patterns.split(","), subjects[criterion])


def _parse_line(raw: str, path: str, number: int) -> ConfigLine | None:
    text = raw.strip()
    if not text or text.startswith("#"):
        return None
    end = next((index for index, char in enumerate(text) if char in " \t="), len(text))
    keyword = text[:end].lower()
    rest = text[end:].lstrip(" \t").removeprefix("=").lstrip(" \t")
    place = f"{path}:{number}"
    if not rest:
        raise ConfigError(f"{text[:end]}: expected a value after it", where=place)
    if keyword in _VERBATIM:
        return ConfigLine(keyword, (rest,), path, number)
    lexer = shlex.shlex(rest, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", "\"'", ""
    try:
        words = tuple(lexer)
    except ValueError as exc:
        raise ConfigError(f"{text[:end]}: {exc} in {rest!r}", where=place) from exc
    comment = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
    return ConfigLine(keyword, words[:comment], path, number)
