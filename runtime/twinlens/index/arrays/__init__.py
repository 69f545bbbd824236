"""Arrays of an index: the layout of its sections, arrays that grow, and arrays that are files."""
