"""Layouts of pairs, as libraries and data sets have them: tables, tars, folders and captions."""
