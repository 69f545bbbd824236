"""Latency, throughput, memory, cold start and accuracy of each tower, beside its peers."""
