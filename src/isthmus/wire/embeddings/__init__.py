"""Embeddings: OpenAI's and Cloudflare's forms for callers, and those of the vendors whose models give vectors."""
