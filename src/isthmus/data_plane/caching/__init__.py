"""Answers given again: which calls are alike, whose answers are kept, and how they are given."""
