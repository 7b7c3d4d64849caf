"""REST for people and machines, and the publishing of what they configure. Never imports the data plane."""
