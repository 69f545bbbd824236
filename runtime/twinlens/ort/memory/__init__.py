"""Memory of the process: a reserve of its address space, and freed blocks given back."""
