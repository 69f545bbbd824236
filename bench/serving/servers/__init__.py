"""Server programs of the peers, a process each."""
