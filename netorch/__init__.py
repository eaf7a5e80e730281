"""Runs a point of presence that has no routers."""

__version__ = "0.1.0"
