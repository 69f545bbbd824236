"""The drawings: matched to concepts, rasterised, and kept as one array a set."""
