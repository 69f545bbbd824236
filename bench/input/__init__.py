"""Speed and fidelity of the way from files and texts to what the towers take."""
