"""Items whose name was met before: the first of a name is kept, the others are told."""

import logging
import os

logger = logging.getLogger(__name__)


class Repeats:
    """Count of repeated names. A file given twice is itself; a member of an archive may be another.

    Args:
        noun: plural of what is itself when it is given twice: files, or texts.
    """

    def __init__(self, noun: str = "files") -> None:
        self._noun = noun
        self.others = 0
        """Repeated names of what may be another item."""
        self._same, self._first = 0, ""

    def add(self, name: str, item: object) -> None:
        """Count an item, and name it at once if it may be another than the first."""
        if isinstance(item, str | os.PathLike):
            self._same += 1
            self._first = self._first or name
        else:
            self.others += 1
            logger.warning("%s is there twice: the first is kept", name)

    def warn(self) -> None:
        """Name the files that were given twice, and count them."""
        if self._same:
            more = f", as are {self._same - 1} other {self._noun}" if self._same > 1 else ""
            logger.warning("%s is given twice and read once%s", self._first, more)
