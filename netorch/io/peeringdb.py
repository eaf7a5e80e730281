"""What networks say of themselves in PeeringDB, by its API. The answer is bounded in time and size."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from netorch.errors import NetorchError, TimedOut
from netorch.io.clock import Deadline, SystemClock
from netorch.model.sources import PeeringDb, PeeringDbAnswer

MAX_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 14

MOST_PREFIXES = 10_000_000
"""Ten times the Internet's table: whoever says more has mistyped it."""


def look_up(peeringdb: PeeringDb, asn: int, *, timeout_s: float, now: float) -> PeeringDbAnswer:
    """How many prefixes ``asn`` says that it announces.

    Raises NetorchError: nobody answers, the answer is an error, or says nothing of prefixes; TimedOut.
    """
    found = _networks(_read(f"{peeringdb.url}/net?asn={asn}", timeout_s=timeout_s))
    row = next((each for each in found if isinstance(each, dict) and each.get("asn") == asn), {})
    counts = {key: row.get(key) for key in ("info_prefixes4", "info_prefixes6")}
    ipv4, ipv6 = (value if type(value) is int and value > 0 else 0 for value in counts.values())
    if not ipv4 and not ipv6:
        known = f"nothing of AS{asn}" if not row else f"no count of prefixes for AS{asn}"
        raise NetorchError(f"the answer is empty: it has {known}", hint="max_prefixes in providers.yml sets it by hand")
    if max(ipv4, ipv6) > MOST_PREFIXES:
        raise NetorchError(
            f"expected at most {MOST_PREFIXES} prefixes, AS{asn} says {max(ipv4, ipv6)}",
            hint="max_prefixes in providers.yml sets it by hand",
        )
    return PeeringDbAnswer(asn, now, ipv4, ipv6)


def _networks(text: bytes) -> list[Any]:
    try:
        found = json.loads(text)["data"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, list):
        raise NetorchError("expected JSON with a list of networks under data, found something else")
    return found


def _read(url: str, *, timeout_s: float) -> bytes:
    """The whole body. A socket's own deadline is for each packet, so the sum is watched as well."""
    deadline = Deadline.after(SystemClock(), timeout_s)
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "netorch"})  # noqa: S310
    parts: list[bytes] = []
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310 - http and https only
            while chunk := response.read1(_CHUNK_BYTES):
                parts.append(chunk)
                if deadline.passed():
                    raise TimeoutError
                if sum(map(len, parts)) > MAX_BYTES:
                    raise NetorchError(f"the answer is longer than {MAX_BYTES} bytes", where=url)
            if response.length:
                raise NetorchError(f"the answer was cut, {response.length} bytes are missing", where=url)
    except TimeoutError:
        raise TimedOut(f"no whole answer after {timeout_s:g} s", where=url) from None
    except urllib.error.HTTPError as error:
        raise NetorchError(f"answered {error.code} {error.reason}", where=url) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise TimedOut(f"no answer after {timeout_s:g} s", where=url) from None
        raise NetorchError(f"cannot be asked: {error.reason}", where=url) from None
    except (OSError, http.client.HTTPException) as error:
        raise NetorchError(f"cannot be asked: {error}", where=url) from None
    return b"".join(parts)
