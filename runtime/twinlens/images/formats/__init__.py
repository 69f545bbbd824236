"""Peculiarities of image formats: orientation, colours, profiles, scaled and truncated JPEGs."""
