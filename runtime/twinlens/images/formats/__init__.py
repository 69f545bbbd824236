"""Oddities of image formats: orientation, colour, profiles, scaled and truncated JPEGs."""
