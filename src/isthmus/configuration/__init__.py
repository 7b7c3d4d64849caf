"""The file isthmus.toml: what may stand in it, reading it, and telling what is wrong with it and where."""
