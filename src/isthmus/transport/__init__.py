"""How bytes reach a provider and come back."""
