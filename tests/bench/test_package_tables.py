"""Tables of the packages: one row for a system's wheels, and for all tests of an environment."""

from bench.packages.record import _by_environment, _by_system


def test_the_two_wheels_of_a_system_share_a_row() -> None:
    of_arm = {"oldest system": "macOS 11.0", "instruction sets": "neon", "commit": "b"}
    rows = [
        {"file": "twinlens-0.1.0.tar.gz", "MB": 4.9, "commit": "b"},
        {"file": "twinlens-0.1.0-cp312-abi3-macosx_11_0_arm64.whl", "MB": 5.07, **of_arm},
        {"file": "twinlens-0.1.0-cp311-cp311-musllinux_1_2_x86_64.whl", "MB": 5.3, "commit": "a"},
        {"file": "twinlens-0.1.0-cp311-cp311-macosx_11_0_arm64.whl", "MB": 5.1, **of_arm},
    ]
    rows[1]["commit"] = "a"
    musl, macos, sdist = _by_system(rows)
    assert musl["system"] == "Linux with musl, x86-64"
    assert (musl["CPython 3.11"], musl.get("3.12 and later")) == ("5.30 MB", None)
    assert macos["system"] == "macOS, ARM"
    assert (macos["CPython 3.11"], macos["3.12 and later"]) == ("5.10 MB", "5.07 MB")
    assert macos["oldest"] == "macOS 11.0"
    assert (musl["commit"], macos["commit"], sdist["commit"]) == ("a", "a, b", "b")
    assert sdist["CPython 3.11"] == sdist["3.12 and later"] == "4.90 MB"


def test_the_tests_in_an_environment_share_a_row() -> None:
    old, new = (
        {"environment": "floors", "versions": "numpy 2.0", "commit": commit} for commit in "ab"
    )
    rows = [
        {**old, "path": "tests/runtime", "outcome": "2 passed"},
        {**new, "path": "tests/export", "outcome": "3 passed, 1 failed"},
        {**old, "path": "tests/parity", "outcome": "5 passed, 1 skipped"},
    ]
    shared, other = _by_environment(rows)
    assert shared == {**old, "tests": "7 passed, 1 skipped of tests/runtime, tests/parity"}
    assert other == {**new, "tests": "3 passed, 1 failed of tests/export"}
