"""What runs on a device: one request as JSON on standard input, one answer on standard output.

Imports are paid for at every call, so that modules here import the model only where they need it, and ``typing`` never at
run time. A bare ``python3`` takes 7 ms to start, ``facts`` about as much again.
"""
