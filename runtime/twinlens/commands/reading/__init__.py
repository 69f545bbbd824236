"""Inputs of the commands: images, texts, pairs and the model."""
