"""Days and ages of figures, as git tells them."""

import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path


class Ages:
    """History of one repository."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._git = cache(self._asked)

    def oldest(self, commits: Iterable[str]) -> str:
        """Return the oldest of some commits; empty if none of them is known."""
        times = {
            commit: self._git("show", "-s", "--format=%ct", commit) for commit in commits if commit
        }
        known = {commit: int(time) for commit, time in times.items() if time}
        return min(known, key=lambda commit: known[commit], default="")

    def day_of_file(self, file: Path) -> str:
        """Return the day of the last commit to a file, as 2026-11-29; empty without one."""
        return self._git("log", "-1", "--format=%cs", "--", str(file))

    def commits_since(self, commit: str, folders: tuple[str, ...]) -> int:
        """Return the number of commits to the code in some folders since a commit.

        0 where the commit is not known.
        """
        if not commit:
            return 0
        places = [place for folder in folders for place in (f"{folder}/**.py", f"{folder}/**.?pp")]
        listed = self._git("rev-list", "--count", "--no-merges", f"{commit}..HEAD", "--", *places)
        return int(listed or 0)

    def _asked(self, *words: str) -> str:
        command = ["git", "-C", str(self._root), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
