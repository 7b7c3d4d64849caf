"""What is kept of Responses calls, in SQL: `store` puts the parts together."""
