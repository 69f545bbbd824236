"""Best rows of a float16 matrix for each query, as an ONNX model.

TopK on a GPU gives each row of its input to one thread block, so a single list of a million scores
would be read at the speed of one block. Here TopK runs in three rounds: within groups of rows,
within halls of several groups' winners, and over the winners of all halls. No row is lost: the best
`wanted` of all are among the best `wanted` of their group, and of their hall.
"""

import base64
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.graphs.program import Program

NEAREST: Final = Program(
    text="""
        <ir_version: 8, opset_import: ["": 17]>
        nearest_halves (float16[Q, D] queries, float16[N, D] rows, bool[1, N] allowed,
                        int64[1] kept, int64[4] grouping, int64[A, B, 1] starts,
                        int64[1] kept_again, int64[3] regrouping, int64[1] wanted)
            => (float[Q, C] scores, int64[Q, C] places)
        {
            forbidden = Constant<value_float = -inf>()
            nothing = Cast<to = 10>(forbidden)
            all_scores = Gemm<transB = 1>(queries, rows)
            some_scores = Where(allowed, all_scores, nothing)
            groups = Reshape(some_scores, grouping)
            group_best, group_places = TopK<axis = -1, sorted = 0>(groups, kept)
            group_rows = Add(group_places, starts)
            halls = Reshape(group_best, regrouping)
            hall_rows = Reshape(group_rows, regrouping)
            hall_best, hall_places = TopK<axis = -1, sorted = 0>(halls, kept_again)
            hall_kept = GatherElements<axis = -1>(hall_rows, hall_places)
            finalists = Flatten<axis = 1>(hall_best)
            finalist_rows = Flatten<axis = 1>(hall_kept)
            best, winners = TopK<axis = -1, sorted = 0>(finalists, wanted)
            places = GatherElements<axis = -1>(finalist_rows, winners)
            scores = Cast<to = 1>(best)
        }""",
    content=base64.b64decode(
        "CAg6xwkKLhIJZm9yYmlkZGVuIghDb25zdGFudCoVCgt2YWx1ZV9mbG9hdBUAAID/oAEBOgAKJwoJZm9yYmlkZGVuEgdu"
        "b3RoaW5nIgRDYXN0KgkKAnRvGAqgAQI6AAoyCgdxdWVyaWVzCgRyb3dzEgphbGxfc2NvcmVzIgRHZW1tKg0KBnRyYW5z"
        "QhgBoAECOgAKNAoHYWxsb3dlZAoKYWxsX3Njb3JlcwoHbm90aGluZxILc29tZV9zY29yZXMiBVdoZXJlOgAKKgoLc29t"
        "ZV9zY29yZXMKCGdyb3VwaW5nEgZncm91cHMiB1Jlc2hhcGU6AApVCgZncm91cHMKBGtlcHQSCmdyb3VwX2Jlc3QSDGdy"
        "b3VwX3BsYWNlcyIEVG9wSyoUCgRheGlzGP///////////wGgAQIqDQoGc29ydGVkGACgAQI6AAopCgxncm91cF9wbGFj"
        "ZXMKBnN0YXJ0cxIKZ3JvdXBfcm93cyIDQWRkOgAKKgoKZ3JvdXBfYmVzdAoKcmVncm91cGluZxIFaGFsbHMiB1Jlc2hh"
        "cGU6AAouCgpncm91cF9yb3dzCgpyZWdyb3VwaW5nEgloYWxsX3Jvd3MiB1Jlc2hhcGU6AApYCgVoYWxscwoKa2VwdF9h"
        "Z2FpbhIJaGFsbF9iZXN0EgtoYWxsX3BsYWNlcyIEVG9wSyoUCgRheGlzGP///////////wGgAQIqDQoGc29ydGVkGACg"
        "AQI6AApLCgloYWxsX3Jvd3MKC2hhbGxfcGxhY2VzEgloYWxsX2tlcHQiDkdhdGhlckVsZW1lbnRzKhQKBGF4aXMY////"
        "////////AaABAjoACi4KCWhhbGxfYmVzdBIJZmluYWxpc3RzIgdGbGF0dGVuKgsKBGF4aXMYAaABAjoACjIKCWhhbGxf"
        "a2VwdBINZmluYWxpc3Rfcm93cyIHRmxhdHRlbioLCgRheGlzGAGgAQI6AApPCglmaW5hbGlzdHMKBndhbnRlZBIEYmVz"
        "dBIHd2lubmVycyIEVG9wSyoUCgRheGlzGP///////////wGgAQIqDQoGc29ydGVkGACgAQI6AApICg1maW5hbGlzdF9y"
        "b3dzCgd3aW5uZXJzEgZwbGFjZXMiDkdhdGhlckVsZW1lbnRzKhQKBGF4aXMY////////////AaABAjoACiEKBGJlc3QS"
        "BnNjb3JlcyIEQ2FzdCoJCgJ0bxgBoAECOgASDm5lYXJlc3RfaGFsdmVzWhsKB3F1ZXJpZXMSEAoOCAoSCgoDEgFRCgMS"
        "AURaGAoEcm93cxIQCg4IChIKCgMSAU4KAxIBRFoaCgdhbGxvd2VkEg8KDQgJEgkKAggBCgMSAU5aEgoEa2VwdBIKCggI"
        "BxIECgIIAVoWCghncm91cGluZxIKCggIBxIECgIIBFoeCgZzdGFydHMSFAoSCAcSDgoDEgFBCgMSAUIKAggBWhgKCmtl"
        "cHRfYWdhaW4SCgoICAcSBAoCCAFaGAoKcmVncm91cGluZxIKCggIBxIECgIIA1oUCgZ3YW50ZWQSCgoICAcSBAoCCAFi"
        "GgoGc2NvcmVzEhAKDggBEgoKAxIBUQoDEgFDYhoKBnBsYWNlcxIQCg4IBxIKCgMSAVEKAxIBQ0IECgAQEQ=="
    ),
)
"""Scores [Q, C] and places [Q, C] of the C best of N = A B S rows for each query, in no order.

    queries         [Q, D]
    rows            [N, D]
    allowed         [1, N]; a row that is False scores minus infinity
    starts          [A, B, 1]: the place of each group's first row
    the others      sizes of groups and halls: see `cuts`

A row that is not returned scores no more than the least score that is. The scores are float16
values; float16_rows.py bounds their error.
"""

_LEADING_BITS: Final = 5
_SHORTEST_GROUP: Final = 2048
_GROUP_PER_KEPT: Final = 16


def padded_rows(n_rows: int) -> int:
    """Return the least row count >= N >= 1 that splits into groups: at most 1/16 more than N."""
    unit = 1 << max(0, n_rows.bit_length() - _LEADING_BITS)
    return -(-n_rows // unit) * unit


def cuts(
    n_queries: int, n_rows: int, wanted: int, *, shortest_group: int = _SHORTEST_GROUP
) -> dict[str, NDArray[np.int64]]:
    """Return the inputs of NEAREST that cut scores [Q, N] into A halls of B groups of S rows.

    Args:
        n_queries: Q.
        n_rows: N, by `padded_rows`.
        wanted: C; all rows come back if there are no more.
        shortest_group: least S; S is also at least 16 C, as far as N has factors of two.
    """
    if n_rows <= 2 * shortest_group:
        size, groups, hall = n_rows, 1, 1
    else:
        factor = n_rows & -n_rows
        size = min(factor, max(shortest_group, _power_of_two(_GROUP_PER_KEPT * wanted)))
        groups = n_rows // size
        # A hall is no longer than a group.
        hall = min(groups & -groups, 1 << (max(1, size // wanted).bit_length() - 1))
    halls = groups // hall
    kept = min(wanted, size)
    kept_again = min(wanted, hall * kept)
    return {
        "kept": np.array([kept]),
        "grouping": np.array([n_queries, halls, hall, size]),
        "starts": (size * np.arange(groups)).reshape(halls, hall, 1),
        "kept_again": np.array([kept_again]),
        "regrouping": np.array([n_queries, halls, hall * kept]),
        "wanted": np.array([min(wanted, halls * kept_again)]),
    }


def _power_of_two(number: int) -> int:
    """Return the least power of two >= number."""
    return 1 << (number - 1).bit_length()
