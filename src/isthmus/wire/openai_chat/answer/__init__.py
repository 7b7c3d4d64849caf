"""What stands in answers, from and to Chat Completions: calls, counts, reasons, probabilities, sources."""
