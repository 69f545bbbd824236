"""How the demo model is made: a small CLIP trained on emoji drawn by many hands.

Not part of the wheel. From `export/`, `python -m twinlens_demo --help` lists the acts, in order.
"""
