"""Entry point of the agent, also of its zipapp."""

from __future__ import annotations

import sys

from netorch.agent.main import main

raise SystemExit(main(sys.argv[1:]))
