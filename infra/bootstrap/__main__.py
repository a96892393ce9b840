"""Entry point for Pulumi; the program is in program.py, where tests can import it."""

import gc

from infra.bootstrap.program import build

# A run makes tens of thousands of outputs and keeps them to its end, so that collecting garbage,
# which finds none, is two thirds of its time.
gc.disable()
build()
