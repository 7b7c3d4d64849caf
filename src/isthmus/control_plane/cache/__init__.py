"""The cache as those who manage a gateway see it, and what a change of the configuration takes out of it."""
