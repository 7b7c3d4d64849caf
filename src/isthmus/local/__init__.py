"""The embedded local model: its weights, and the processes that serve them."""
