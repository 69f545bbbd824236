"""The parser of a benchmark's command line."""

import argparse


def parser_of(module: str, doc: str) -> argparse.ArgumentParser:
    """Return the parser of `python -m module`, whose help begins with the module's docstring."""
    return argparse.ArgumentParser(
        f"python -m {module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
