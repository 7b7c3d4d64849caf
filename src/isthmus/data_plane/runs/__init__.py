"""Runs: streamed answers that are recorded while they are given, and go on without the connection that began them."""
