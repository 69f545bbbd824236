"""Rows of a bundle on other processors, emulated: their bits, and instructions they take."""
