"""Compiled libraries of a wheel as their files tell: processor, imports, exports, oldest system."""
