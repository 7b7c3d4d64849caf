"""Responses with state: the items of earlier turns put before new ones, and answers as who keeps them is shown them."""
