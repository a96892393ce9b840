"""The data plane of managed online endpoints."""
