"""Checkpoints of random weights in the shapes of real ones, each as its own library saves it."""
