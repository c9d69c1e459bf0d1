# SPDX-License-Identifier: Apache-2.0
"""Networks and operators without an integer meaning: which node shows it, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bitwright.reading.model import Model, Node

RECURRENT = (
    "is recurrent: its state runs from step to step",
    "only feed-forward networks are supported; use convolutions over time, or run this part on the host",
)
MINIFLOAT = ("quantises to minifloats", "they have no integer meaning: use integer quantisers (Quant, QuantizeLinear)")
NORMALISES = (
    "normalises every sample in float: a mean, a variance and a square root of data",
    "it has no integer meaning; use BatchNormalization, or cut the network before and behind it",
)
CUT = "it has no integer meaning; cut the network before and behind it"
ATTENDS = ("is a soft maximum between two products, computed in float", CUT)
HOLDS_SOFTMAX = ("holds a Softmax between its products, which is computed in float", CUT)
DYNAMIC = (
    "chooses its scale from the data at run time",
    "quantise statically, with calibration data (bitwright quantize)",
)
WEIGHT_ONLY = (
    "has quantised weights, but computes in float",
    "quantise the activations as well (bitwright quantize)",
)
REFUSED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), RECURRENT),
    "FloatQuant": MINIFLOAT,
    "If": ("chooses by the data, not by its shape", "export the network without control flow"),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization", "InstanceNormalization"), NORMALISES),
    **dict.fromkeys(("RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization"), NORMALISES),
    **dict.fromkeys(("Attention", "MultiHeadAttention", "QAttention", "GroupQueryAttention"), HOLDS_SOFTMAX),
    **dict.fromkeys(("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"), DYNAMIC),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"), WEIGHT_ONLY),
}
"""Operators that no handler will ever take: what is said of them, and the way out."""
QUANTISERS = {
    *("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc", "QuantizeLinear"),
    *("RequantShift", "Floor", "Round", "FloatQuant"),
}
MATRICES = ("Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedMatMul", "Einsum")


def refuse_float(model: Model, order: Sequence[Node], typed: bool) -> None:
    """Refuse a recurrent network, and one that computes in float from its inputs on, unless a person `typed` one."""
    _refuse_recurrent(order)
    data = behind(order, {entry.name for entry in model.inputs})
    first = next((node for node in data if node.op in MATRICES), None)
    if first is None or typed or _is_quantised(model, data):
        return
    _refuse_islands(data)
    if any(node.op in QUANTISERS or node.op == "DequantizeLinear" for node in order):
        name = model.inputs[0].name
        raise first.error(
            "has quantised weights, but computes in float: no activation is quantised",
            f"quantise the activations as well (bitwright quantize); one layer alone only needs --input {name}=s16.8",
        )
    raise first.error(
        "computes in float: nothing in the network is quantised",
        "quantise it first: bitwright quantize MODEL --data CALIBRATION.npz -o OUT.onnx",
    )


def _refuse_recurrent(order: Sequence[Node]) -> None:
    for node in order:
        if REFUSED.get(node.op) == RECURRENT:
            raise node.error(*RECURRENT)


def _is_quantised(model: Model, data: Sequence[Node]) -> bool:
    """True if integers come in, or are made of the data."""
    quantises = any(node.op in QUANTISERS or node.op.startswith("QLinear") for node in data)
    return quantises or any(entry.dtype.kind != "f" for entry in model.inputs)


def _refuse_islands(data: Sequence[Node]) -> None:
    """What no quantiser would help is said at once."""
    for node in data:
        if node.op in REFUSED:
            raise node.error(*REFUSED[node.op])
        if node.op == "Softmax" and any(other.op in MATRICES for other in behind(data, set(node.outputs))):
            raise node.error(*ATTENDS)


def behind(order: Sequence[Node], sources: set[str]) -> list[Node]:
    """The nodes that depend on a tensor of `sources`."""
    reached, found = set(sources), []
    for node in order:
        if any(name in reached for name in node.inputs):
            reached.update(filter(None, node.outputs))
            found.append(node)
    return found
