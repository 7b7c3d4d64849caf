"""Logs: the calls of the API, the reading of their queries, and how a row is shown."""
