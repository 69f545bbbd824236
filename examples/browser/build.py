"""Builds the page: a bundle, the drawings, the page and its packages in one folder to serve.

python examples/browser/build.py demo OUT
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from twinlens.bundle.bundle import Bundle, open_bundle
from twinlens.bundle.specs import TextSpec
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import BundleError, TwinlensError, quoted
from twinlens.loading import folder_of

HERE: Final = Path(__file__).parent
VENDORED: Final = {
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": "onnxruntime.js",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "onnxruntime.wasm",
    "@huggingface/tokenizers/dist/tokenizers.min.mjs": "tokenizers.js",
    "@huggingface/tokenizers/LICENSE": "tokenizers.LICENSE",
}
"""Files of npm packages and their names beside the page. They end in .js, since servers know the
type of that suffix; nginx does not know .mjs."""
CLEANED: Final = ("none", "lower")
NPM_TIMEOUT_S: Final = 300


def main() -> int:
    """Build the page; return the exit code."""
    parser = argparse.ArgumentParser(description="Build the model in a browser as static files.")
    parser.add_argument("bundle", help='a folder that twinlens-export wrote, or "demo"')
    parser.add_argument("out", type=Path, help="folder to write, which must not exist")
    options = parser.parse_args()
    try:
        build(options.bundle, options.out)
    except (TwinlensError, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"python -m http.server --bind 127.0.0.1 --directory {options.out}\n")
    return 0


def build(bundle: str, out: Path) -> None:
    """Write the page with a bundle's int8 towers into a folder, whole or not at all.

    Raises:
        BundleError: the bundle is damaged, or needs more than the page has.
        OSError: the folder exists, or cannot be written.
        subprocess.SubprocessError: npm failed.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists; give a folder that does not")
    read = open_bundle(folder_of(bundle))
    check(read)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as draft:
        made = Path(draft) / "made"
        shutil.copytree(HERE / "page", made)
        copy_bundle(read, made / "bundle")
        copy_drawings(made)
        vendor(Path(draft) / "npm", made / "vendor")
        made.rename(out)


def check(bundle: Bundle) -> None:
    """Check that the page can do all that a bundle asks for.

    Raises:
        BundleError: it cannot, or a file of the bundle was changed.
        MissingTowerError: the bundle has one tower.
    """
    manifest, folder = bundle.manifest, quoted(str(bundle.folder))
    manifest.require("image", "text")
    text, towers = text_of(bundle), manifest.towers.get("int8")
    if towers is None:
        raise BundleError(f"{folder} has no int8 towers; export it with --precision int8")
    bundle.check("int8")
    bundle.calibration("int8")  # which refuses one that was fitted on other towers
    if any(tower.beside for tower in towers.there().values()):
        raise BundleError(f"{folder} has weights beside its towers, wanted towers below 2 GB")
    if text.clean not in CLEANED:
        raise BundleError(
            f"{folder} cleans texts by {quoted(text.clean)}, the page only by "
            f"{' or '.join(CLEANED)}; export it without --clean"
        )
    tokenizer = json.loads(bundle.path(text.tokenizer).read_text(encoding="utf-8"))
    kind = tokenizer["model"].get("type")
    if kind != "BPE" or text.end_id is None:
        raise BundleError(
            f"{folder} has a tokenizer of kind {quoted(str(kind))}, wanted BPE with an end token, "
            "as CLIP has"
        )


def text_of(bundle: Bundle) -> TextSpec:
    """Return the preparation of texts of a bundle that has a text tower."""
    spec = bundle.manifest.text
    assert spec is not None, "checked before"
    return spec


def copy_bundle(bundle: Bundle, target: Path) -> None:
    """Copy the manifest, the tokenizer and the int8 towers of a bundle."""
    towers = bundle.manifest.towers["int8"].there().values()
    names = (text_of(bundle).tokenizer, *(tower.file for tower in towers))
    for name in ("twinlens.json", *names):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path(name), target / name)


def copy_drawings(target: Path) -> None:
    """Copy the drawings inside the package, with a list of their names and captions."""
    drawings = bundled_drawings()
    (target / "drawings").mkdir()
    for drawing in drawings:
        shutil.copyfile(drawing.path, target / "drawings" / drawing.path.name)
    listed = [{"file": drawing.path.name, "caption": drawing.caption} for drawing in drawings]
    (target / "drawings.json").write_text(json.dumps(listed), encoding="utf-8")


def vendor(work: Path, target: Path) -> None:
    """Install the npm packages of package.json in a folder, and copy their files.

    Raises:
        OSError: there is no npm, or a package lacks a file.
        subprocess.SubprocessError: npm failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("there is no npm; install Node.js, which has it")
    work.mkdir()
    target.mkdir()
    shutil.copyfile(HERE / "package.json", work / "package.json")
    # No script of a package runs: the files are ready as they are.
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
    subprocess.run([npm, "install", *quiet], cwd=work, check=True, timeout=NPM_TIMEOUT_S)  # noqa: S603
    for source, name in VENDORED.items():
        shutil.copyfile(work / "node_modules" / source, target / name)


if __name__ == "__main__":
    sys.exit(main())
