"""Checks on what people write, wherever it comes in: by the API or in isthmus.toml."""
