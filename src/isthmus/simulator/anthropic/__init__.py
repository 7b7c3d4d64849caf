"""Anthropic: its manners (`vendor`), what Messages takes (`request`, `rules`) and what it answers (`messages`)."""
