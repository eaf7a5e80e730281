"""The fault matrix: a deploy, one fault that is proven to have happened, and what device and controller make of it.

``./dev faults [SEEDS]`` plays every row with many seeds and prints the table; ``test_sample.py`` plays the quick rows once.
"""
