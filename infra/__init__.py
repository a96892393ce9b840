"""Every environment's resources as Pulumi programs, and the tools that prove them without a cloud account."""
