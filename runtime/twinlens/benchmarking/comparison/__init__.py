"""Two runs, or two builds in turn, compared."""
