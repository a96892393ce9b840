"""Any doctor's visit: a calibrated classifier of tabular rows."""
