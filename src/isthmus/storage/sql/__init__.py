"""The durable stores, their SQL written once over a narrow `Database`."""
