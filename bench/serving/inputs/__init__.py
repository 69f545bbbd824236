"""Texts, pictures and graphs that the services get."""
