"""The fit of a bundle's calibration: from labelled pairs, or from matched pairs alone."""
