"""Facts of the machine: its processor, its other load, its GPU, and the use of a process."""
