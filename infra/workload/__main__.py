"""Entry point for Pulumi; the program is in program.py, where tests can import it."""

from infra.workload.program import build

build()
