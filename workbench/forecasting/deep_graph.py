"""The sequence model as an ONNX graph, written from its weights.

past ─► five causal convolutions, each added to what came in ─► state of the last day ─┐
ahead ────────────────────────────────────────────────────────────────────► matrix ────┴►
relu ─► matrix ─► relu ─► matrix ─► softplus ─► summed over levels: quantiles that cannot cross

The convolutions are those of dilation 1, 2, 4, 8 and 16. Only their last day is read, and that
rests on every second day of the layer below: so each strides over two days, which computes the same
with a seventh of the work.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.forecasting.deep import CHANNELS, DAYS, WIDTH

Weights = Mapping[str, npt.NDArray[np.float32]]
LAYERS = 5
KERNEL = 3
STRIDE = 2
HIDDEN = 24
DENSE = 48
_OPSET = 17
_IR_VERSION = 8


def shapes(levels: int) -> dict[str, tuple[int, ...]]:
    """Shape of every weight."""
    result: dict[str, tuple[int, ...]] = {}
    for place in range(LAYERS):
        result[f"conv{place}"] = (HIDDEN, HIDDEN if place else CHANNELS, KERNEL)
        result[f"conv{place}_bias"] = (HIDDEN,)
    return result | {
        "past": (HIDDEN, DENSE), "ahead": (WIDTH, DENSE), "join_bias": (DENSE,),
        "middle": (DENSE, DENSE), "middle_bias": (DENSE,),
        "levels": (DENSE, levels), "levels_bias": (levels,),
    }  # fmt: skip


def onnx_of(weights: Weights) -> bytes:
    """The network as the bytes of an ONNX file: inputs `past` and `ahead`, output `ratios`."""
    from onnx import TensorProto, checker, helper, numpy_helper

    levels = weights["levels_bias"].shape[0]
    nodes = [*_convolutions(helper), *_dense(helper)]
    constants: dict[str, npt.NDArray[Any]] = {
        "newest": np.array([KERNEL - 1], np.int64), "end": np.array([DAYS], np.int64),
        "days_axis": np.array([2], np.int64), "stride": np.array([STRIDE], np.int64),
        "windows_axis": np.array([1], np.int64),
        "levels_axis": np.array(2, np.int64), **{f"w_{k}": v for k, v in weights.items()},
    }  # fmt: skip

    def tensor(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes, "sequence",
        [tensor("past", ["series", CHANNELS, DAYS]), tensor("ahead", ["series", "windows", WIDTH])],
        [tensor("ratios", ["series", "windows", levels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _convolutions(helper: Any) -> list[Any]:
    make, nodes, source = helper.make_node, [], "past"
    for place in range(LAYERS):
        nodes += [
            make(
                "Conv", [source, f"w_conv{place}", f"w_conv{place}_bias"], [f"c{place}"],
                kernel_shape=[KERNEL], strides=[STRIDE],
            ),
            make("Relu", [f"c{place}"], [f"r{place}"]),
        ]  # fmt: skip
        if place:  # the first one changes the number of channels
            days = [source, "newest", "end", "days_axis", "stride"]
            nodes += [
                make("Slice", days, [f"s{place}"]),
                make("Add", [f"r{place}", f"s{place}"], [f"a{place}"]),
            ]
        source = f"a{place}" if place else f"r{place}"
    return [*nodes, make("Flatten", [source], ["state"], axis=1)]


def _dense(helper: Any) -> list[Any]:
    make = helper.make_node
    return [
        make("Gemm", ["state", "w_past", "w_join_bias"], ["state_dense"]),
        make("Unsqueeze", ["state_dense", "windows_axis"], ["state_each"]),
        make("MatMul", ["ahead", "w_ahead"], ["ahead_dense"]),
        make("Add", ["state_each", "ahead_dense"], ["joined"]),
        make("Relu", ["joined"], ["j"]),
        make("MatMul", ["j", "w_middle"], ["m0"]), make("Add", ["m0", "w_middle_bias"], ["m1"]),
        make("Relu", ["m1"], ["m"]),
        make("MatMul", ["m", "w_levels"], ["l0"]), make("Add", ["l0", "w_levels_bias"], ["l1"]),
        make("Softplus", ["l1"], ["steps"]),
        make("CumSum", ["steps", "levels_axis"], ["ratios"]),
    ]  # fmt: skip
