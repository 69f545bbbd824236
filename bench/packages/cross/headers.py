"""Headers of Python as another system has them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.packages.cross.target import Target

_FACTS: Final = (
    "import json, sysconfig; print(json.dumps("
    "[sysconfig.get_path('include'), sysconfig.get_config_var('MULTIARCH') or '']))"
)
_FEATURES: Final = re.compile(r"#define _(?:POSIX_C|XOPEN)_SOURCE .*\n")
"""Wishes to the libc here; libc++ has others of the target's."""
WINDOWS: Final = """\
// Answers to the headers of CPython: 64-bit Windows, by the compilers of GNU's family.
#pragma once
#define MS_WIN32
#define MS_WIN64
#define MS_WINDOWS
#define NT_THREADS
#define WITH_THREAD
#define HAVE_DECLSPEC_DLL
#define Py_ENABLE_SHARED 1
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_FLOAT 4
#define SIZEOF_DOUBLE 8
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_TIME_T 8
#define SIZEOF_WCHAR_T 2
#define SIZEOF_PID_T 4
#define SIZEOF__BOOL 1
#define ALIGNOF_LONG 4
#define ALIGNOF_SIZE_T 8
#define ALIGNOF_MAX_ALIGN_T 8
"""
"""pyconfig.h: the sizes of LLP64."""


def headers(python: str, target: Target, folder: Path) -> Path:
    """Copy the headers of an interpreter into a folder, with the pyconfig.h of the target.

    Those of this machine's Linux serve Linux and macOS: all are LP64, and the rest of pyconfig.h
    is asked only by Python's own sources.
    """
    told = subprocess.run([python, "-c", _FACTS], check=True, capture_output=True, text=True)
    include, multiarch = map(Path, json.loads(told.stdout))
    # Debian's pyconfig.h includes the one of a processor, which lies beside the others.
    own = include.parent / multiarch / include.name / "pyconfig.h"
    config = own if own.exists() else include / "pyconfig.h"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(include, folder)
    text = WINDOWS if target.windows else _FEATURES.sub("", config.read_text(encoding="utf-8"))
    (folder / "pyconfig.h").write_text(text, encoding="utf-8")
    return folder


def exports(include: Path) -> tuple[set[str], set[str]]:
    """Return the names of the functions and of the data that headers of Python declare."""
    functions: set[str] = set()
    data: set[str] = set()
    for header in include.rglob("*.h"):
        text = header.read_text(encoding="utf-8")
        functions |= set(re.findall(r"PyAPI_FUNC\([^()]*\)\s*\**(\w+)\s*\(", text))
        data |= set(re.findall(r"PyAPI_DATA\([^()]*\)\s*\**(\w+)\s*[;\[]", text))
    return functions - data, data
