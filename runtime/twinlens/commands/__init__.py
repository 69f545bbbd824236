"""The acts of the command line, one a file; each turns parsed options into an `Outcome`."""
