"""Inputs of all contenders: checkpoints, their graphs, pictures and texts."""
