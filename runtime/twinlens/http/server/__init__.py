"""Server: sockets, connections and signals around the application; the only room with uvicorn."""
