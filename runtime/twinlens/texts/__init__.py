"""Texts as token ids [B, T]."""
