"""Settings, the model lifecycle (gate, register, deploy) and the command line of this template."""
