"""Images: anything image-like as the uint8 pixels [S, S, 3] that a tower takes."""
