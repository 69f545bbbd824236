"""Parts of C's complex numbers, which numpy calls when it is imported, and wine 10 has not.

A library beside numpy's module has them, and hands all other functions on to wine's; the module is
made to ask for that library. Windows itself needs none of this.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pefile

ASKED: Final = b"api-ms-win-crt-math-l1-1-0.dll"
OWN: Final = b"twl" + ASKED[3:]
"""As long a name, so that the module keeps its layout."""
SOURCE: Final = """\
typedef struct { float part[2]; } Single;
typedef struct { double part[2]; } Double;
float own_crealf(Single z) { return z.part[0]; }
float own_cimagf(Single z) { return z.part[1]; }
double own_creal(Double z) { return z.part[0]; }
double own_cimag(Double z) { return z.part[1]; }
int DllMainCRTStartup(void *library, unsigned reason, void *reserved) { return 1; }
"""
PARTS: Final = {
    "crealf": "own_crealf",
    "cimagf": "own_cimagf",
    "creal": "own_creal",
    "cimag": "own_cimag",
    "creall": "own_creal",
    "cimagl": "own_cimag",
}
"""Windows' long double is a double."""


def provide(site: Path) -> None:
    """Put the library beside the numpy of a folder of packages."""
    (module,) = (site / "numpy" / "_core").glob("_multiarray_umath*.pyd")
    content = module.read_bytes()
    # Its attributes are made of the file's own structures.
    file: Any = pefile.PE(data=content)
    names = {
        str(function.name.decode())
        for entry in file.DIRECTORY_ENTRY_IMPORT
        if entry.dll == ASKED
        for function in entry.imports
    }
    source, exports = module.parent / "parts.c", module.parent / "parts.def"
    source.write_text(SOURCE, encoding="utf-8")
    lines = (f"{name} = {PARTS.get(name, f'ucrtbase.{name}')}\n" for name in sorted(names))
    exports.write_text(f"LIBRARY {OWN.decode()}\nEXPORTS\n{''.join(lines)}", encoding="utf-8")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", "-shared"]
    # Without the C library, which zig would compile for minutes.
    command += ["-O1", "-nostdlib", "-fno-builtin", str(source), str(exports)]
    subprocess.run([*command, "-o", str(module.parent / OWN.decode())], check=True)
    module.write_bytes(content.replace(ASKED, OWN))
