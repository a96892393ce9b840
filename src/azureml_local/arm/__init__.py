"""Azure Resource Manager: one module per family of resource types."""
