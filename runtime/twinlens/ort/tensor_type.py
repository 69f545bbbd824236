"""Type and shape of an input or output of an ONNX model."""

from typing import Any, NamedTuple


class TensorType(NamedTuple):
    """Type of the elements, by onnxruntime's name, and the length of each dimension."""

    element: str
    """ "uint8", "int64" or "float"."""
    shape: tuple[int | str | None, ...]
    """None, or the name of the dimension, where the length may be any."""

    @classmethod
    def of(cls, node: Any) -> "TensorType":  # noqa: ANN401  onnxruntime's NodeArg
        """Return that of an input or output of a session."""
        return cls(node.type.removeprefix("tensor(").removesuffix(")"), tuple(node.shape))

    def __str__(self) -> str:
        lengths = ", ".join("any" if length is None else str(length) for length in self.shape)
        return f"{self.element} [{lengths}]"

    def takes(self, other: "TensorType") -> bool:
        """Return True if the other type has the same elements, and each length that is given."""
        return (
            self.element == other.element
            and len(self.shape) == len(other.shape)
            and all(a is None or a == b for a, b in zip(self.shape, other.shape, strict=True))
        )
