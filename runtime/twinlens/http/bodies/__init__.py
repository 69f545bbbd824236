"""Bodies of requests and answers: read within limits, checked, written."""
