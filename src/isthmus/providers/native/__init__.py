"""Where callers reach a provider's own API (data-plane 8), and what of it the installation's key opens."""
