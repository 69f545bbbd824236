"""The demo's making is not installed: it is found where it lies, after everything that is."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "export"))
