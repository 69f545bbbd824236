"""Transformer blocks of each precision: one interface, and a file an implementation."""
