"""The calls themselves: bytes in, bytes out. Open the files in the order of docs/architecture.md."""
