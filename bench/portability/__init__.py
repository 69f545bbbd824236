"""A bundle in the tools that other people use: the blocks of a page, run and compared."""
