"""The schedule: learning rate and image size over the share of the training that is done."""

RATE = 2e-3
WARM_UP = 0.01
"""Share of the training with a rising rate."""
COOL_DOWN = 0.35
"""Share of the training in which the rate falls linearly to zero."""
SIDES = ((0.25, 32), (0.65, 48), (1.01, 64))
"""Pairs of the share at which a size ends, and the size in pixels: small images first, at half the
cost."""


def rate(progress: float) -> float:
    """Return the learning rate as a share of RATE: warm up, hold, then fall linearly to zero."""
    return min(1.0, progress / WARM_UP, (1 - progress) / COOL_DOWN)


def side_at(progress: float) -> int:
    """Return the side of the images in pixels."""
    return next(side for end, side in SIDES if progress < end)
