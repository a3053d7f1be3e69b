"""What is taken out of ONNX files, and which weights are made shorter."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from oneseed.export.compact import KEPT_EXACT, clean, in_half


@pytest.fixture
def product():
    """A model: x times a large matrix, times one that writes captions, plus a small row."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = {
        "large": random.normal(size=(64, 64)),
        f"decoders{KEPT_EXACT}weight": random.normal(size=(64, 64)),
        "small": random.normal(size=(1, 64)),
        "unused": random.normal(size=(64, 64)),
    }
    kept = f"decoders{KEPT_EXACT}weight"
    nodes = [
        helper.make_node("MatMul", ["x", "large"], ["y"]),
        helper.make_node("MatMul", ["y", kept], ["w"]),
        helper.make_node("Add", ["w", "small"], ["out"]),
    ]
    trace = nodes[0].metadata_props.add()
    trace.key = "stack_trace"
    trace.value = "/home/anna/secret.py"
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 64]) for n in ("x", "out")]
    stored = [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()]
    graph = helper.make_graph(nodes, "product", value[:1], value[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def test_what_no_node_reads_and_where_it_was_traced_is_taken_out(product):
    clean(product)
    assert "unused" not in {weight.name for weight in product.graph.initializer}
    assert b"anna" not in product.SerializeToString()


def test_large_weights_alone_are_halved_and_captions_stay_exact(product):
    small = in_half(product)
    kinds = {weight.name: weight.data_type for weight in small.graph.initializer}
    assert kinds["large.float16"] == onnx.TensorProto.FLOAT16
    assert kinds[f"decoders{KEPT_EXACT}weight"] == onnx.TensorProto.FLOAT
    assert kinds["small"] == onnx.TensorProto.FLOAT


def test_a_shorter_model_computes_the_same_to_float16(product):
    from onnx.reference import ReferenceEvaluator

    x = np.random.default_rng(1).normal(size=(1, 64)).astype(np.float32)
    (exact,) = ReferenceEvaluator(product).run(None, {"x": x})
    (found,) = ReferenceEvaluator(in_half(product)).run(None, {"x": x})
    assert 0 < np.abs(found - exact).max() < 0.01 * np.abs(exact).max()


def test_numbers_that_float16_cannot_hold_stay_as_they_are(product):
    from onnx import numpy_helper

    large = next(weight for weight in product.graph.initializer if weight.name == "large")
    numbers = numpy_helper.to_array(large).copy()
    numbers[0, 0] = 1e6
    large.CopyFrom(numpy_helper.from_array(numbers, "large"))
    kinds = {weight.name: weight.data_type for weight in in_half(product).graph.initializer}
    assert kinds["large"] == onnx.TensorProto.FLOAT
