"""Embeddings, as each vendor gives them."""
