"""The repository's root among the places of modules: `bench` is run from there, not installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
