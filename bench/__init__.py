"""The benchmark: what Isthmus costs beside a proxy that does nothing. It measures; it does not test."""
