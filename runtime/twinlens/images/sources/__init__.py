"""Sources of images: opened within the limits, and read by one thread at a time."""
