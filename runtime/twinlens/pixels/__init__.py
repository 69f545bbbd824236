"""The pixel half of the input: from whatever holds a picture to the uint8 square of the tower.

The door is `twinlens.images`. This face is empty so that the leaves (`pixel_mode`, `limits`) can be
imported by rooms that the others stand on.
"""
