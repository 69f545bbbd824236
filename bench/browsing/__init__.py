"""The page of `twinlens browse` in a real browser: its pictures for the README, and its times."""
