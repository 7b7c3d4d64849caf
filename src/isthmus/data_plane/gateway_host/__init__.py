"""The older data plane (data-plane 7): providers' own paths, and lists of steps."""
