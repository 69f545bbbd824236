"""Guards before the routes, in pure ASGI: each passes a request on, or answers it with an error."""
