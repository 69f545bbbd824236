"""Matrix of match probabilities as an ONNX model."""

import base64
from typing import Final

from twinlens_kernels.graphs.program import Program

MATCH_MATRIX: Final = Program(
    text="""
        <ir_version: 8, opset_import: ["": 17]>
        pairing (float[Q, D] queries, float[N, D] rows, float[1] scale, float[1] bias)
            => (float[Q, N] probabilities)
        {
            columns = Transpose<perm = [1, 0]>(rows)
            cosines = MatMul(queries, columns)
            scaled = Mul(cosines, scale)
            logits = Add(scaled, bias)
            distances = Abs(logits)
            exponents = Neg(distances)
            odds = Exp(exponents)
            one = Constant<value_float = 1.0>()
            zero = Constant<value_float = 0.0>()
            unlikely = Less(logits, zero)
            shares = Where(unlikely, odds, one)
            wholes = Add(odds, one)
            probabilities = Div(shares, wholes)
        }""",
    content=base64.b64decode(
        "CAg62AQKKwoEcm93cxIHY29sdW1ucyIJVHJhbnNwb3NlKg0KBHBlcm1AAUAAoAEHOgAKJQoHcXVlcmllcwoHY29s"
        "dW1ucxIHY29zaW5lcyIGTWF0TXVsOgAKHwoHY29zaW5lcwoFc2NhbGUSBnNjYWxlZCIDTXVsOgAKHQoGc2NhbGVk"
        "CgRiaWFzEgZsb2dpdHMiA0FkZDoAChoKBmxvZ2l0cxIJZGlzdGFuY2VzIgNBYnM6AAodCglkaXN0YW5jZXMSCWV4"
        "cG9uZW50cyIDTmVnOgAKGAoJZXhwb25lbnRzEgRvZGRzIgNFeHA6AAooEgNvbmUiCENvbnN0YW50KhUKC3ZhbHVl"
        "X2Zsb2F0FQAAgD+gAQE6AAopEgR6ZXJvIghDb25zdGFudCoVCgt2YWx1ZV9mbG9hdBUAAAAAoAEBOgAKIAoGbG9n"
        "aXRzCgR6ZXJvEgh1bmxpa2VseSIETGVzczoACiYKCHVubGlrZWx5CgRvZGRzCgNvbmUSBnNoYXJlcyIFV2hlcmU6"
        "AAoaCgRvZGRzCgNvbmUSBndob2xlcyIDQWRkOgAKJgoGc2hhcmVzCgZ3aG9sZXMSDXByb2JhYmlsaXRpZXMiA0Rp"
        "djoAEgdwYWlyaW5nWhsKB3F1ZXJpZXMSEAoOCAESCgoDEgFRCgMSAURaGAoEcm93cxIQCg4IARIKCgMSAU4KAxIB"
        "RFoTCgVzY2FsZRIKCggIARIECgIIAVoSCgRiaWFzEgoKCAgBEgQKAggBYiEKDXByb2JhYmlsaXRpZXMSEAoOCAES"
        "CgoDEgFRCgMSAU5CBAoAEBE="
    ),
)
"""probabilities [Q, N] = sigmoid(scale * queries [Q, D] @ rows [N, D].T + bias).

onnxruntime's own Sigmoid saturates at logits of 18 and may lose a NaN; here a tiny probability
keeps its digits, nothing overflows, and NaN stays NaN. All in float32: the error of a logit is
about 1e-7 of scale + |bias|.
"""
