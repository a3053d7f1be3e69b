"""ONNX files that take less room: the same graph with shorter numbers for its weights.

Large float32 weights are kept in float16, and one matrix in 8 bits, a scale for each of its rows.
A runtime makes float32 of both as it loads the file, so they save bytes and no time.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

# numbers of a weight from which on it is made shorter
MIN_SHORTENED = 4_096
LARGEST_INT8 = 127


def subgraphs(graph: "onnx.GraphProto") -> "Iterator[onnx.GraphProto]":
    """The graph and the bodies of its loops."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from subgraphs(attribute.g)


def drop_unused(model: "onnx.ModelProto") -> None:
    """Take out weights that no node reads; a runtime would warn of each."""
    parts = list(subgraphs(model.graph))
    read = {output.name for part in parts for output in part.output}
    for part in parts:
        for node in part.node:
            read.update(node.input)
    for part in parts:
        for weight in [one for one in part.initializer if one.name not in read]:
            part.initializer.remove(weight)


def shortened(model: "onnx.ModelProto", coarse: np.ndarray) -> "onnx.ModelProto":
    """The model with shorter weights. coarse: the matrix that 8 bits are enough for."""
    import onnx
    from onnx import numpy_helper

    small = onnx.ModelProto()
    small.CopyFrom(model)
    for part in subgraphs(small.graph):
        before = []
        for weight in list(part.initializer):
            if weight.data_type != onnx.TensorProto.FLOAT:
                continue
            numbers = numpy_helper.to_array(weight)
            if numbers.size < MIN_SHORTENED:
                continue
            shorten = find_shorter(numbers, coarse)
            stored, node = shorten(numbers, weight.name)
            part.initializer.remove(weight)
            part.initializer.extend(stored)
            before.append(node)
        others = list(part.node)
        del part.node[:]
        part.node.extend([*before, *others])
    return small


Shortening = Callable[[np.ndarray, str], "tuple[list[onnx.TensorProto], onnx.NodeProto]"]


def find_shorter(numbers: np.ndarray, coarse: np.ndarray) -> Shortening:
    """How a weight is made shorter."""
    # an export may turn a matrix over
    is_coarse = any(
        numbers.shape == form.shape and np.array_equal(numbers, form)
        for form in (coarse, coarse.T)
    )
    return in_8_bits if is_coarse else in_16_bits


def in_16_bits(
    numbers: np.ndarray, name: str
) -> "tuple[list[onnx.TensorProto], onnx.NodeProto]":
    """A weight as float16 -> what is stored, and the node that makes float32 of it."""
    import onnx
    from onnx import helper, numpy_helper

    limit = np.finfo(np.float16).max
    halved = np.clip(numbers, -limit, limit).astype(np.float16)
    # of tokens that are never written
    halved[np.isinf(numbers)] = numbers[np.isinf(numbers)]
    stored = numpy_helper.from_array(halved, f"{name}.float16")
    node = helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT)
    return [stored], node


def in_8_bits(
    numbers: np.ndarray, name: str
) -> "tuple[list[onnx.TensorProto], onnx.NodeProto]":
    """A matrix in 8 bits with a scale for each row -> as in_16_bits."""
    from onnx import helper, numpy_helper

    scales = np.maximum(np.abs(numbers).max(1), 1e-12) / LARGEST_INT8
    rounded = np.round(numbers / scales[:, None]).astype(np.int8)
    stored = [
        numpy_helper.from_array(rounded, f"{name}.int8"),
        numpy_helper.from_array(scales.astype(np.float32), f"{name}.scales"),
    ]
    inputs = [one.name for one in stored]
    return stored, helper.make_node("DequantizeLinear", inputs, [name], axis=0)
