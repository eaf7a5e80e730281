"""Renders a template with Ansible's own templating; prints the seconds that it took. Run by Ansible's interpreter."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ansible.parsing.dataloader import DataLoader  # type: ignore[import-not-found]
from ansible.template import Templar  # type: ignore[import-not-found]

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19

    def trust_as_template(value: str) -> str:
        return value


def main() -> None:
    template = trust_as_template(Path(sys.argv[1]).read_text(encoding="utf-8"))
    variables = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    repeats = int(sys.argv[3])
    templar = Templar(loader=DataLoader(), variables=variables)

    def render() -> str:
        return str(templar.template(template))

    if "protocol bgp" not in render():
        raise SystemExit("Ansible rendered something else")
    start = time.perf_counter()
    for _ in range(repeats):
        render()
    print(time.perf_counter() - start)


main()
