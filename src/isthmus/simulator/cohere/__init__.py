"""Cohere's Chat of version 2, whole and as its stream of events."""
