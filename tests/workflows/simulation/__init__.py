"""Runs workflows on this machine as GitHub would: its expressions, real shells, a loopback API, no Docker."""
