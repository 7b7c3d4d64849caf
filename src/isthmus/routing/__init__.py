"""Which attempts are made, and in what order. Plans are generators; only the driver waits."""
