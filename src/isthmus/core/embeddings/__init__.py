"""Vectors for texts, in no vendor's words."""
