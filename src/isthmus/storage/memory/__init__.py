"""What one process keeps in memory: answers, and counters."""
