"""From measurements to few, right alerts: rules, state over windows, incidents, and what is told to whom."""
