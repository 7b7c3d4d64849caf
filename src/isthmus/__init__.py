"""Isthmus: a self-hosted AI gateway, one API between every app and every model."""
