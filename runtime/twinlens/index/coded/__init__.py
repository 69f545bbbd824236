"""Index that keeps codes alone: its rows, its searches and the bounds of their answers."""
