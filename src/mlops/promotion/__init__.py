"""From environment to environment: one digest, shared through the ML registry, released by pull request."""
