"""The model: two towers of one bundle, and their joint answers."""
