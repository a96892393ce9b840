"""The model code of each use case: what a team replaces with its own.

Nothing here imports the rest of the repository, so a step's snapshot and a deployment's code folder are
complete with what lies below this package.
"""
