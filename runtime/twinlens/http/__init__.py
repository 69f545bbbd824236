"""The service: an engine of `serving` behind HTTP."""
