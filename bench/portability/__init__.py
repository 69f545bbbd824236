"""A bundle in the tools that other people use: the blocks of docs/portability.md, run and compared."""
