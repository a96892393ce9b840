"""Settings to resources: what the Pulumi programs are made of."""
