"""First rows of a fresh process: run as a script, with a JSON object on its stdin.

The object has the arguments of `twinlens.load` as "load", the path of an image and a text; the
answer, a line of JSON, has the seconds since the start of each part.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Load the model, embed one image and one text, and answer."""
    asked = json.loads(sys.stdin.readline())
    begun = time.perf_counter()
    import twinlens  # noqa: PLC0415  the import is a part of it

    imported = time.perf_counter()
    model = twinlens.load(asked["load"].pop("bundle"), **asked["load"])
    loaded = time.perf_counter()
    model.embed_images([Path(asked["image"])])
    seen = time.perf_counter()
    model.embed_texts([asked["text"]])
    read = time.perf_counter()
    from twinlens.benchmarking.machine.resources import cpu_s, memory_mb  # noqa: PLC0415

    parts = {
        "import_s": imported - begun,
        "load_s": loaded - imported,
        "first_image_s": seen - loaded,
        "first_text_s": read - seen,
        "cpu_s": cpu_s(),
        "most_mb": memory_mb("VmHWM"),
        "own_mb": memory_mb("RssAnon"),
    }
    sys.stdout.write(json.dumps({k: v for k, v in parts.items() if v is not None}) + "\n")


if __name__ == "__main__":
    main()
