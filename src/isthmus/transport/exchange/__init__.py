"""One request and its answer on one connection."""
