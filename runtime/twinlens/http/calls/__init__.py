"""Calls: a request at its route, its wishes, and its client."""
