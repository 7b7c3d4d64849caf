"""Answers to questions that mean the same: found by their vectors, guarded by their words, checked in the shadow."""
