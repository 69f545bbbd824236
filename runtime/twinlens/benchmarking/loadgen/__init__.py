"""The same scenarios, driven by MLCommons LoadGen."""
