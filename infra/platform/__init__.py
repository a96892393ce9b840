"""The stack `shared`: what all environments share."""
