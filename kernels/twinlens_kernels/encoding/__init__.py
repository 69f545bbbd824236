"""Encodings of rows and queries in fewer bits, each with a bound on its error."""
