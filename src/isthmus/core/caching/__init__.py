"""Answers that are kept to be given again: what is kept of one, and what a call has to do with it."""
