"""How answers are cut into frames on the wire."""
