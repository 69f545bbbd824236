"""Transformer blocks of each precision: one interface, and one file an implementation."""
