"""Adds a route to a service's address while the service answers, and takes it away when it does not.

    python examples/own_routes.py --prefix 192.0.2.70/32 --via 10.1.1.200 --on h1.pop1 http://10.1.1.200/health

The route ends by itself ten minutes after this program was last seen alive (and ``netorch run`` came by). Run it under a
supervisor, on any machine that can deploy.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import urllib.request
from threading import Event

from netorch.program import NetorchError, set_routes

OWNER = "health-check"
LASTS_S = 600.0


def arguments() -> argparse.Namespace:
    """What is on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="answered with 200 while the service is well")
    parser.add_argument("--prefix", required=True, help="the service's address, as a prefix")
    parser.add_argument("--via", required=True, help="the next hop to it")
    parser.add_argument("--on", required=True, help="TARGET: which devices get the route")
    parser.add_argument("--announce", action="store_true", help="tell the POP (the operator has to allow it)")
    parser.add_argument("--inventory", default="inventory")
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=0, help="end after so many; 0: never")
    return parser.parse_args()


def is_well(url: str) -> bool:
    """Whether the service answers within three seconds."""
    try:
        with urllib.request.urlopen(url, timeout=3.0) as answer:  # noqa: S310 - the operator's own
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):  # nobody there, or what answers is no web server
        return False


def follow(options: argparse.Namespace, *, well: bool) -> bool:
    """Bring the route to what the service is; whether that worked."""
    route = {"prefix": options.prefix, "via": options.via, "announce": options.announce}
    try:
        wanted = [route] if well else []
        outcome = set_routes(
            OWNER, wanted, on=options.on, inventory=options.inventory, lasts_s=LASTS_S, reason=options.url
        )
    except NetorchError as error:
        logging.error("%s; the next round tries again", error)
        return False
    logging.info("%s", outcome.text)
    for missed in outcome.missed.values():
        logging.warning("%s", missed)
    return not outcome.missed


def main() -> None:
    """Look, and follow: one answer may be chance, two of a kind count. What was done is done again before the route ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("paramiko").setLevel(logging.WARNING)  # it tells of every connection
    options, pause = arguments(), Event()
    before, settled, since, done = None, None, 0, 0
    while not options.rounds or done < options.rounds:
        well, done, since = is_well(options.url), done + 1, since + 1
        is_old = since * options.every > LASTS_S / 3
        if well == before and (well != settled or is_old):
            settled, since = (well if follow(options, well=well) else None), 0
        before = well
        pause.wait(options.every)


if __name__ == "__main__":
    main()
