"""How much callers may ask for: what a call claims, and what it was given."""
