"""Responses with state: kept here per account, whichever provider answers (docs/decisions/0009-responses-state.md)."""
