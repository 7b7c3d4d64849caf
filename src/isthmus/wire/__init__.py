"""Dialects: pure translations between bytes and the neutral form. No I/O, no clock, no configuration."""
