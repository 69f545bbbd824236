"""Sources of images: opened within the limits, kept as they are drawn, read one at a time."""
