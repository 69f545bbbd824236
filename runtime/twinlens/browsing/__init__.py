"""A page over a folder of one's own pictures."""
