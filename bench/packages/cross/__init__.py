"""Compilation of the wheels of every system on this machine, by zig."""
