"""The providers that sign in ways of their own: by region, by resource, over the body, with tokens that run out."""
