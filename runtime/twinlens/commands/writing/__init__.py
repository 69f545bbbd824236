"""Output files of the command line: each is whole before it takes its place."""
