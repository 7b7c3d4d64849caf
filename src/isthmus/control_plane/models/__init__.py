"""Which models there are: what this account can call, and all that the catalogue knows."""
