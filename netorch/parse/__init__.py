"""Daemon output to the model: text in, ``netorch.model.state`` out. Standard library and TextFSM, no I/O but templates."""
