"""Reports of a record: lines for a terminal, and a page."""
