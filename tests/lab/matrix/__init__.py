"""Every routing daemon and release that netorch has templates for, as switch and as host: the same checks in each cell.

``./dev matrix`` plays all cells and prints the table; ``--write`` puts it into docs/matrix.md.
"""
