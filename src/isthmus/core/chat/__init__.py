"""A conversation and its answer, in no vendor's words: what is asked, what happens, what became of it on the way."""
