"""A newcomer's path: make the repository one's own, check what Azure and GitHub need, and create it."""
