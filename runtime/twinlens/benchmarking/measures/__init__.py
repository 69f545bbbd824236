"""Statistics of times, without a clock."""
