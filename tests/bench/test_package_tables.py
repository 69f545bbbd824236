"""Tables of the packages: a row for each system, whatever the order of its wheels."""

from bench.packages.record import _by_system


def test_the_two_wheels_of_a_system_share_a_row() -> None:
    of_arm = {"oldest system": "macOS 11.0", "instruction sets": "neon"}
    rows = [
        {"file": "twinlens-0.1.0.tar.gz", "MB": 4.9},
        {"file": "twinlens-0.1.0-cp312-abi3-macosx_11_0_arm64.whl", "MB": 5.07, **of_arm},
        {"file": "twinlens-0.1.0-cp311-cp311-musllinux_1_2_x86_64.whl", "MB": 5.3},
        {"file": "twinlens-0.1.0-cp311-cp311-macosx_11_0_arm64.whl", "MB": 5.1, **of_arm},
    ]
    musl, macos, sdist = _by_system(rows)
    assert musl["system"] == "Linux with musl, x86-64"
    assert (musl["CPython 3.11"], musl.get("3.12 and later")) == ("5.30 MB", None)
    assert macos["system"] == "macOS, ARM"
    assert (macos["CPython 3.11"], macos["3.12 and later"]) == ("5.10 MB", "5.07 MB")
    assert macos["oldest"] == "macOS 11.0"
    assert sdist["CPython 3.11"] == sdist["3.12 and later"] == "4.90 MB"
