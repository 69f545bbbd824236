"""Presence of a half: of a checkpoint or a bundle of one tower, the other half is not there."""

from typing import TypeVar

T = TypeVar("T")


def there(half: T | None) -> T:
    """Return a part of a half that is known to be there."""
    assert half is not None, "the checkpoint has no such half"
    return half
