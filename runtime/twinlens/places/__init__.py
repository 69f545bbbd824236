"""Places that hold pictures: folders, tars and tables, read picture by picture."""

from twinlens.places.reading import read_pictures

__all__ = ["read_pictures"]
