"""Entry point for Pulumi; the program is in program.py, where tests can import it."""

from infra.bootstrap.program import build

build()
