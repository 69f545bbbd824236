"""Targets of a benchmark: a model in this process, or a service by HTTP."""
