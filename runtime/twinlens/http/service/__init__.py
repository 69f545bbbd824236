"""The service: the deployment that answers now, its keys and its metrics."""
