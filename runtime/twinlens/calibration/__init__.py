"""Calibration: the fit of a curve from labelled pairs, or from matched pairs alone."""
