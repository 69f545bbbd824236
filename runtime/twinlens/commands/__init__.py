"""Subcommands of the command line, one a file; each returns an `Outcome` for parsed options."""
