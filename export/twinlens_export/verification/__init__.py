"""Agreement of an exported tower with the reference model, on sample images and texts."""
