"""The way to an origin: taking its URL apart, finding its addresses, passing a proxy, opening the connection."""
