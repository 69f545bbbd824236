"""Peculiarities of image formats: colours, profiles, scaled and truncated JPEGs."""
