"""Load generator, a process of its own: arrivals, connections, answers."""
