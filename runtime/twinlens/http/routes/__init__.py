"""Routes of the service, one family of requests a file."""
