"""OpenAI: its manners (`vendor`), and one pair of files for each dialect: what it takes and what it answers."""
