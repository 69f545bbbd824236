"""How the demo model is made: a small CLIP trained on emoji drawn by many hands.

Not part of the wheel. `python -m twinlens_demo` (with `export/` on the path) lists the acts, in their order.
"""
