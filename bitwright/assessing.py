# SPDX-License-Identifier: Apache-2.0
"""A quantised network held against its float one: what the report of `quantize` is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright import api
from bitwright.compress import ActQuant, Calibration, Coded, FloatNet, State, findings, outputs_of
from bitwright.compress.fidelity import Fidelity, agreement, fidelity, gives_scores
from bitwright.compress.network import Layer
from bitwright.compress.operators import moves
from bitwright.compress.sites import Edge
from bitwright.data import Data
from bitwright.explore.metrics import accuracy
from bitwright.ir.stages import begins
from bitwright.ir.types import IntType
from bitwright.report.quantised import Finding, LayerRow, QuantiseReport, TensorRow

Array = NDArray[Any]


def assessed(
    calibration: Calibration,
    state: State,
    labelled: Data | None,
    *,
    file: str,
    options: Mapping[str, Any],
    original: FloatNet | None = None,
) -> QuantiseReport:
    """The report of `state`, quantised from what was calibrated; accuracies where there are labelled samples.

    Outputs are held against those of the `original`, where what was calibrated is another network.
    """
    net, data = calibration.net, calibration.data
    begins("measuring each layer")
    measured = fidelity(net, state, data)
    begins("comparing with the float network")
    arrays = list(labelled.inputs if labelled else data)
    wanted = outputs_of(original or net, arrays)
    found = api.as_list(api.run(state.graph(), arrays))
    scores = gives_scores(net, wanted)
    agreed = agreement(wanted, found, scores)
    labels = labelled.labels if labelled and scores else None
    rates = [None if labels is None else accuracy(outputs[0], labels) for outputs in (wanted, found)]
    return QuantiseReport(
        model=net.file,
        file=file,
        samples=len(data[0]),
        options=options,
        scored=0 if labels is None else len(labels),
        float_accuracy=rates[0],
        accuracy=rates[1],
        agreement_of=agreed.kind,
        agreement=agreed.share,
        compared=len(arrays[0]),
        layers=tuple(_layers(net, state, measured)),
        tensors=tuple(_tensors(state, measured)),
        findings=(*_of_data(calibration, state), *_wide(state)),
    )


def _of_data(calibration: Calibration, state: State) -> Iterator[Finding]:
    """What the calibration data cannot carry."""
    for finding in findings(calibration, state.acts):
        yield Finding(where=f"tensor '{finding.tensor}'", what=finding.what, hint=finding.hint)


def _wide(state: State) -> Iterator[Finding]:
    """Where a float32 module of a network that promises to equal the integers has no room for them."""
    for name in state.wide() if state.bias_grid else ():
        yield Finding(
            where=f"layer '{name}'",
            what="its sums may pass 2^24, beyond which float32 does not hold every integer",
            hint="the written file has them in float64 and equals the integers; a float32 module may not",
        )


def _layers(net: FloatNet, state: State, measured: Fidelity) -> Iterator[LayerRow]:
    sites = {edge: site.tensor for site in state.net.sites for edge in site.edges}
    for named, layer in zip(net.layers, state.net.layers, strict=True):
        tensor = sites.get(Edge(layer.name, 0)) or _quantised_source(state, layer)
        yield LayerRow(
            name=named.name,
            op=layer.op,
            **_weights(state.weights[layer.weight]),
            **_input(state, tensor, measured),
            input=tensor,
            signal_to_noise=measured.signal_to_noise[named.name],
        )


def _weights(bases: Sequence[Coded]) -> dict[str, Any]:
    """What a row says of weights."""
    return {
        "weights": " + ".join(_type(coded.type) for coded in bases),
        "weight_bits": sum(_bits(coded) for coded in bases),
        "weight_scale": _kind(*(coded.scale for coded in bases)),
        "per_channel": any(coded.scale.size > 1 for coded in bases),
    }


def _input(state: State, tensor: str, measured: Fidelity) -> dict[str, Any]:
    """What a row says of the quantiser before a layer."""
    if tensor not in state.acts:
        return dict.fromkeys(("activations", "activation_bits", "activation_scale", "clipped"))
    act = state.acts[tensor]
    shown = {"activations": _type(act.type), "activation_bits": _widest(act).bits}
    return {**shown, "activation_scale": _kind(act.scale), "clipped": measured.clipped[tensor]}


def _quantised_source(state: State, layer: Layer) -> str:
    """The tensor whose quantiser makes what a layer reads, through what only moves its values; else what it reads."""
    makers = {name: node for node in state.net.nodes for name in node.outputs}
    tensor = layer.source
    while tensor in makers and tensor not in state.acts and moves(makers[tensor]):
        tensor = makers[tensor].inputs[0]
    return tensor if tensor in state.acts else layer.source


def _tensors(state: State, measured: Fidelity) -> Iterator[TensorRow]:
    for name, act in state.acts.items():
        yield TensorRow(
            name=name,
            type=_type(act.type),
            bits=_widest(act).bits,
            scale=_kind(act.scale),
            zero=bool(act.zero.any()),
            clipped=measured.clipped[name],
        )


def _kinds(kind: IntType | tuple[IntType, ...]) -> tuple[IntType, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _widest(act: ActQuant) -> IntType:
    return max(_kinds(act.type), key=lambda kind: kind.bits)


def _type(kind: IntType | tuple[IntType, ...]) -> str:
    """One type, or the narrowest and the widest."""
    kinds = sorted(set(_kinds(kind)), key=lambda kind: kind.bits)
    return str(kinds[0]) if len(kinds) == 1 else f"{kinds[0]}..{kinds[-1]}"


def _bits(coded: Coded) -> float:
    return float(np.mean([kind.bits for kind in _kinds(coded.type)]))


def _kind(*scales: Array) -> str:
    """Whether every scale is a power of two."""
    return "po2" if all((np.frexp(scale)[0] == 0.5).all() for scale in scales) else "free"
