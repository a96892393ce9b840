"""Whether a model may be registered: absolute bounds, the champion, slices, schema and latency."""

from mlops.gate.checks import decide
from mlops.gate.evidence import Evidence, EvidenceError, read_evidence
from mlops.gate.report import Check, GateReport, Note

__all__ = ["Check", "Evidence", "EvidenceError", "GateReport", "Note", "decide", "read_evidence"]
