"""Engines: each runs the towers in one library, imported for its own contenders only."""
