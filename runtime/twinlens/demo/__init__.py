"""The demo: a small bundle, drawings with captions, and their reader."""
