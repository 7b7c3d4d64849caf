"""The gateway host's WebSocket (data-plane 12.1): many requests of the universal endpoint on one connection."""
