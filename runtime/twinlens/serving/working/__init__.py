"""Workers of an engine: threads, and runs of the towers on them."""
