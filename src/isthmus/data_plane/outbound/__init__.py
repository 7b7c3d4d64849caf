"""From a call to its provider: the request as the target wants it, sent, and the answer as it begins to come."""
