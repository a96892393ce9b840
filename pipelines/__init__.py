"""Azure ML jobs, deployments and environments as pure functions of settings and use case."""
