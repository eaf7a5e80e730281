"""Measurements: netorch beside its peers and above the floor, all in the same run, since machines are shared and noisy.

One folder each, whose ``run(progress)`` returns a JSON-able dict with ``rows``, a list of dicts with the same keys in each. A
folder may have ``prepare(progress)``, which runs before, with the machine's network: it installs peers into ``.bench/``.
"""
