"""twinlens_demo is not installed: it is imported from export/, last on the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "export"))
