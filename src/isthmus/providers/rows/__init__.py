"""The providers that ask for nothing but a key in a header: rows, one after the other."""
