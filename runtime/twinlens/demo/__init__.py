"""The demo: its bundle, its drawings and what reads them."""
