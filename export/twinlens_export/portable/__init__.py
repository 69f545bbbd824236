"""Bundles in the files and forms that other tools read."""
