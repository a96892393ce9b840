"""Component resources: one module per area, each closed to configuration it does not name."""
