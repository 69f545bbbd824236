"""Arguments of the command line: parsers, types of values, completion by the shell."""
