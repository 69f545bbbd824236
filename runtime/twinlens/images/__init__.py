"""Images: anything image-like as the uint8 pixels [S, S, 3] of the image tower."""
