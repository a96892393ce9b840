"""Pages that people look at: one monitor's report, and the index of all monitors."""

from mlops.reporting.monitor_page import monitor_page
from mlops.reporting.site import write_site
from mlops.reporting.subjects import subject_of
from mlops.reporting.timeline import Timeline
from mlops.reporting.view import Subject

__all__ = ["Subject", "Timeline", "monitor_page", "subject_of", "write_site"]
