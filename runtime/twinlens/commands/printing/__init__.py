"""Output of the command line: outcomes, tables, messages, lines of progress."""
