"""Our own record: every published figure with its date, its machine and its commit."""
