"""What a caller asks of the gateway itself: `cf-aig-*` headers, and what says the same in a body (data-plane 6)."""
