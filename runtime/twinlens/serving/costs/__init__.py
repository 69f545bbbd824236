"""Costs of the work: seconds estimated from its size, and learned."""
