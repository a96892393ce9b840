"""Where notifications of alerts go: the sinks, and how settings name them."""

from mlops.notifications.building import Unready, log_tables, sinks_by_route

__all__ = ["Unready", "log_tables", "sinks_by_route"]
