"""Fit of a bundle's calibration to labelled pairs, or to matched pairs alone."""
