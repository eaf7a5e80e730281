"""Entry point of the agent, also of its zipapp."""

from __future__ import annotations

import gc
import os
import sys

from netorch.agent.main import main

if hasattr(gc, "set_threshold"):  # PyPy's has no such thing
    gc.set_threshold(100_000)  # looking for garbage while modules are loaded, 1 ms of every call, finds none
status = main(sys.argv[1:])
os._exit(status)  # an orderly end would take 2 ms more; the answer has been written, and nothing else is open
