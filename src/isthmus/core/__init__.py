"""The vocabulary of the gateway: the values that everything else passes around. Imports nothing of ours but errors."""
