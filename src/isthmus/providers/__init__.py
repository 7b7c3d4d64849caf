"""Where to send and how to sign. A provider is a value; one that needs no function of its own is a row."""
