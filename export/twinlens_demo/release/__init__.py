"""The release: bundle, calibration, figures, showcase and model card."""
