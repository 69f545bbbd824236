"""Metadata of a wheel for a package index: the README without links that only a clone follows.

`repository` in pyproject.toml's table of this provider is the address of the repository, and the
one place to set it. From it come the project's URLs and the absolute links of the description;
while it is empty there are no URLs, and a link to a file of the repository is its text alone.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
_COMMENT: Final = re.compile(r"<!--.*?-->\n?", flags=re.DOTALL)
_URLS: Final = {
    "Homepage": "{0}",
    "Source": "{0}",
    "Changelog": "{0}/blob/main/CHANGELOG.md",
    "Issues": "{0}/issues",
    "Security": "{0}/blob/main/SECURITY.md",
}


def dynamic_metadata(settings: Mapping[str, Any], _project: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields `readme` and `urls` of the project."""
    repository = str(settings.get("repository", "")).rstrip("/")
    text = description(Path("README.md").read_text(encoding="utf-8"), repository)
    urls = {name: form.format(repository) for name, form in _URLS.items()} if repository else {}
    return {"readme": {"content-type": "text/markdown", "text": text}, "urls": urls}


def description(readme: str, repository: str) -> str:
    """Return a README whose links to files are absolute, or text where there is no address."""

    def absolute(link: re.Match[str]) -> str:
        image, text, target = link.groups()
        if not repository:
            return f"*{text}*" if image else text
        return f"{image}[{text}]({repository}/{'raw' if image else 'blob'}/main/{target})"

    return _LINK.sub(absolute, _COMMENT.sub("", readme))
