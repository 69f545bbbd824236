"""Speed and fidelity of the way from files and texts to the towers' inputs."""
