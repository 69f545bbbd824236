"""Upper bounds of the scores of coded rows with coded queries, as an ONNX model.

For a CPU without compiled kernels: onnxruntime has products of bytes, numpy has none. The best
bounds are not selected here: TopK takes 4 times as long as all the rest (100k rows, 256 queries,
one thread: 268 ms against 67), and the comparison with a threshold in numpy a sixth of it.
"""

import base64
from typing import Final

from twinlens_kernels.graphs.program import Program

UPPERS: Final = Program(
    text="""
        <ir_version: 8, opset_import: ["": 17]>
        uppers (uint8[N, P] codes, float[N, T] terms, int8[P, Q] queries, float[1] per_left,
                float[1] per_coded)
            => (float[N, Q] uppers)
        {
            zero = Constant<value = uint8[1] {128}>()
            first = Constant<value = int64[1] {0}>()
            second = Constant<value = int64[1] {1}>()
            third = Constant<value = int64[1] {2}>()
            scales = Gather<axis = 1>(terms, first)
            left = Gather<axis = 1>(terms, second)
            coded = Gather<axis = 1>(terms, third)
            by_left = Mul(left, per_left)
            by_coded = Mul(coded, per_coded)
            margins = Add(by_left, by_coded)
            products = MatMulInteger(codes, queries, zero)
            floats = Cast<to = 1>(products)
            scores = Mul(floats, scales)
            uppers = Add(scores, margins)
        }""",
    content=base64.b64decode(
        "CAg67QUKKhIEemVybyIIQ29uc3RhbnQqFgoFdmFsdWUqCggBEAIqAoABQgCgAQQ6AAoqEgVmaXJzdCIIQ29uc3RhbnQq"
        "FQoFdmFsdWUqCQgBEAc6AQBCAKABBDoACisSBnNlY29uZCIIQ29uc3RhbnQqFQoFdmFsdWUqCQgBEAc6AQFCAKABBDoA"
        "CioSBXRoaXJkIghDb25zdGFudCoVCgV2YWx1ZSoJCAEQBzoBAkIAoAEEOgAKLQoFdGVybXMKBWZpcnN0EgZzY2FsZXMi"
        "BkdhdGhlcioLCgRheGlzGAGgAQI6AAosCgV0ZXJtcwoGc2Vjb25kEgRsZWZ0IgZHYXRoZXIqCwoEYXhpcxgBoAECOgAK"
        "LAoFdGVybXMKBXRoaXJkEgVjb2RlZCIGR2F0aGVyKgsKBGF4aXMYAaABAjoACiAKBGxlZnQKCHBlcl9sZWZ0EgdieV9s"
        "ZWZ0IgNNdWw6AAojCgVjb2RlZAoJcGVyX2NvZGVkEghieV9jb2RlZCIDTXVsOgAKIwoHYnlfbGVmdAoIYnlfY29kZWQS"
        "B21hcmdpbnMiA0FkZDoACjEKBWNvZGVzCgdxdWVyaWVzCgR6ZXJvEghwcm9kdWN0cyINTWF0TXVsSW50ZWdlcjoACiUK"
        "CHByb2R1Y3RzEgZmbG9hdHMiBENhc3QqCQoCdG8YAaABAjoACh8KBmZsb2F0cwoGc2NhbGVzEgZzY29yZXMiA011bDoA"
        "CiAKBnNjb3JlcwoHbWFyZ2lucxIGdXBwZXJzIgNBZGQ6ABIGdXBwZXJzWhkKBWNvZGVzEhAKDggCEgoKAxIBTgoDEgFQ"
        "WhkKBXRlcm1zEhAKDggBEgoKAxIBTgoDEgFUWhsKB3F1ZXJpZXMSEAoOCAMSCgoDEgFQCgMSAVFaFgoIcGVyX2xlZnQS"
        "CgoICAESBAoCCAFaFwoJcGVyX2NvZGVkEgoKCAgBEgQKAggBYhoKBnVwcGVycxIQCg4IARIKCgMSAU4KAxIBUUIECgAQ"
        "EQ=="
    ),
)
"""Bounds [N, Q], in units of each query (query_codes.py), of its scores less the centre's.

    codes, terms          [N, P] and [N, T], those of `Codes`
    queries               [P, Q], per_left and per_coded [1]: those of `CodedQueries`
"""
