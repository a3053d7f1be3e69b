"""ONNX files without what nobody reads, and ones with weights of half the length.

Weights in 8 bits would save a little more, and change pictures visibly: with the largest matrix
alone in 8 bits pixels of a drawn model moved by up to 36 of 255, in 16 bits by 5. The weights that
write captions stay as they are: in 16 bits, 6 captions of 200 became others, and so 1.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx  # ty: ignore[import-not-found]  # an extra

# numbers of a weight from which on it is kept in float16
MIN_SHORTENED = 4_096
# of the names of those that stay
KEPT_EXACT = ".captions."


def subgraphs(graph: "onnx.GraphProto") -> "Iterator[onnx.GraphProto]":
    """The graph and the bodies of its loops."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from subgraphs(attribute.g)


def clean(model: "onnx.ModelProto") -> None:
    """Take out weights that no node reads, and where in whose code each node was traced."""
    parts = list(subgraphs(model.graph))
    read = {output.name for part in parts for output in part.output}
    for part in parts:
        del part.metadata_props[:]
        for node in part.node:
            del node.metadata_props[:]
            node.doc_string = ""
            read.update(node.input)
    for part in parts:
        for weight in [one for one in part.initializer if one.name not in read]:
            part.initializer.remove(weight)


def in_half(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model with its large float32 weights in float16.

    A runtime makes float32 of them as it loads the file: that saves bytes and no time.
    """
    import onnx  # ty: ignore[import-not-found]  # an extra
    from onnx import helper, numpy_helper  # ty: ignore[import-not-found]  # an extra

    small = onnx.ModelProto()
    small.CopyFrom(model)
    for part in subgraphs(small.graph):
        casts = []
        for weight in part.initializer:
            numbers = numpy_helper.to_array(weight)
            is_large = numbers.dtype == np.float32 and numbers.size >= MIN_SHORTENED
            if not is_large or KEPT_EXACT in weight.name:
                continue
            halved = as_float16(numbers)
            if halved is None:
                continue
            stored = f"{weight.name}.float16"
            casts.append(
                helper.make_node("Cast", [stored], [weight.name], to=onnx.TensorProto.FLOAT)
            )
            weight.CopyFrom(numpy_helper.from_array(halved, stored))
        others = list(part.node)
        del part.node[:]
        part.node.extend([*casts, *others])
    return small


def as_float16(numbers: np.ndarray) -> np.ndarray | None:
    """Numbers in float16; None where that cannot hold them."""
    with np.errstate(over="ignore"):
        halved = numbers.astype(np.float16)
    return halved if np.array_equal(np.isfinite(halved), np.isfinite(numbers)) else None
