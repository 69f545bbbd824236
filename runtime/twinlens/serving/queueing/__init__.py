"""Queues of an engine: pure bookkeeping, without threads and without a clock."""
