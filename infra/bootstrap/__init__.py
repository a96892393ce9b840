"""The stack `bootstrap`: state, the key of its secrets, and the identities that CI signs in with."""
