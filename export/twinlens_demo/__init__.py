"""The making of the demo model: a small CLIP trained on emoji of many drawing sets.

Not part of the wheel. From `export/`, `python -m twinlens_demo --help` lists the acts, in order.
"""
