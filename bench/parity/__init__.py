"""Parity: every family and kind of checkpoint, exported and compared with its original."""
