"""Packages: wheels for every system, their checks, and installations of them from nothing."""
