# SPDX-License-Identifier: Apache-2.0
"""Float ONNX networks quantised by other tools, for `benchmarks/quantise.py`; runs in an environment of their own.

    python quantise_peers.py < JOBS

JOBS are lines of JSON: {method, net, data, weights, activations, seed}, `data` an `.npz` of `calibration` and `x` as
the network takes them. For each a line comes back on stdout: {labels: what it says of `x`, seconds: of the processor},
or {error}. Each method runs as its tool documents it; what is not the default is said where it is set.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter

Array = NDArray[Any]
BATCH = 64
ITERATIONS = 1000
"""Of learned rounding for each layer: Brevitas' default, a tenth of what AIMET recommends, for the time it takes."""


class Job(NamedTuple):
    """What is to be quantised, and how wide."""

    model: onnx.ModelProto
    calibration: Array
    x: Array
    weights: int
    activations: int

    @property
    def input(self) -> str:
        """The name of the only input."""
        return str(self.model.graph.input[0].name)

    def batches(self) -> list[Array]:
        """The calibration data, in batches."""
        return [self.calibration[at : at + BATCH] for at in range(0, len(self.calibration), BATCH)]


# --- onnxruntime ---------------------------------------------------------------------------------------------------


def by_onnxruntime(job: Job, method: str) -> Array:
    """`quantize_static`, QDQ, per channel."""
    tool: Any = import_module("onnxruntime.quantization")
    types = {(4, "w"): "QInt4", (4, "a"): "QUInt4", (8, "w"): "QInt8", (8, "a"): "QUInt8"}

    class Reader(tool.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(job.batches())

        def get_next(self) -> dict[str, Array] | None:
            batch = next(self.left, None)
            return None if batch is None else {job.input: batch}

    model = version_converter.convert_version(job.model, 21)  # the first whose quantisers have four bits
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "q.onnx")
        tool.quantize_static(
            model,
            out,
            Reader(),
            per_channel=True,
            weight_type=tool.QuantType[types[job.weights, "w"]],
            activation_type=tool.QuantType[types[job.activations, "a"]],
            calibrate_method=tool.CalibrationMethod[method],
        )
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # pools of four bits fail else
        return _ran(ort.InferenceSession(out, options, providers=["CPUExecutionProvider"]), job)


def _ran(session: Any, job: Job) -> Array:
    parts = [job.x[at : at + BATCH] for at in range(0, len(job.x), BATCH)]
    return np.concatenate([session.run(None, {job.input: part})[0] for part in parts])


# --- AIMET ---------------------------------------------------------------------------------------------------------


def by_aimet(job: Job) -> Array:
    """AdaRound of the weights, ranges by least squares, batch norms folded as the file has them."""
    aimet: Any = import_module("aimet_onnx")
    model = job.model
    bits = {"param_type": f"int{job.weights}", "activation_type": f"int{job.activations}"}
    sim = aimet.QuantizationSimModel(model, **bits, quant_scheme="min_max", config_file="default")
    feeds = [{job.input: batch} for batch in job.batches()]
    aimet.apply_adaround(sim, feeds, num_iterations=ITERATIONS)
    sim.compute_encodings(feeds)
    return _ran(sim.session, job)


# --- Brevitas ------------------------------------------------------------------------------------------------------


def by_brevitas(job: Job, method: str, ranges: str) -> Array:
    """Its image classification flow (`brevitas_examples`): equalised, symmetric, per channel, biases corrected."""
    import torch

    ptq: Any = import_module("brevitas_examples.imagenet_classification.ptq.ptq_common")
    graphs: Any = import_module("brevitas.graph.quantize")
    module = graphs.preprocess_for_quantize(as_module(job.model), equalize_iters=20, equalize_merge_bias=True)
    quantised = ptq.quantize_model(
        module,
        backend="fx",
        weight_bit_width=job.weights,
        act_bit_width=job.activations,
        bias_bit_width=None if method == "learned" else 32,  # each layer runs alone there, without an input scale
        weight_quant_granularity="per_channel",
        act_quant_percentile=99.999,
        act_quant_type="sym",
        scale_factor_type="float_scale",
        quant_format="int",
        weight_param_method=ranges,
        act_param_method=ranges,
    ).eval()
    loader = [(torch.from_numpy(batch), None) for batch in job.batches()]
    with torch.no_grad():
        quantised(loader[0][0])
    ptq.calibrate(loader, quantised)
    match method:
        case "gptq":
            ptq.apply_gptq(loader, quantised, act_order=True, create_weight_orig=True)
        case "qronos":
            ptq.apply_qronos(quantised, loader, act_order=True)
        case "learned":
            _learned(quantised, job)
    ptq.apply_bias_correction(loader, quantised)
    with torch.no_grad():
        parts = [quantised(torch.from_numpy(job.x[at : at + BATCH])) for at in range(0, len(job.x), BATCH)]
    return np.concatenate([getattr(part, "value", part).numpy() for part in parts])


def _learned(module: Any, job: Job) -> None:
    """Learned rounding: each layer with Adam at 1e-3, a sample at a time, as by default."""
    import torch

    tool: Any = import_module("brevitas_examples.imagenet_classification.ptq.learned_round_utils")
    pairs = [(torch.from_numpy(sample[None]), torch.zeros(1)) for sample in job.calibration]
    asked = Namespace(
        learned_round="hard_sigmoid",
        learned_round_lr_scheduler=None,
        learned_round_iters=ITERATIONS,
        learned_round_lr=1e-3,
        learned_round_loss="regularised_mse",
        learned_round_batch_size=1,
        learned_round_mode="layerwise",
        learned_round_block_name="",
    )
    tool.apply_learned_round(module, pairs, asked)


# --- an ONNX network as a module of PyTorch that can be traced -----------------------------------------------------


def as_module(model: onnx.ModelProto) -> Any:
    """The `torch.fx.GraphModule` of a network of convolutions, sums, pools and dense layers."""
    import torch

    graph, root = torch.fx.Graph(), torch.nn.Module()
    constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    values = {entry.name: graph.placeholder("x") for entry in model.graph.input if entry.name not in constants}
    merged = {"", *constants}
    for number, node in enumerate(model.graph.node):
        if node.op_type == "Softmax":  # its order is that of the scores
            values[node.output[0]] = values[node.input[0]]
            continue
        made = _module(node, constants)
        if made is None:
            names = [name for name in node.input if name not in merged]
            values[node.output[0]] = _call(graph, node, [values[name] for name in names], constants)
        else:
            root.add_module(f"{node.op_type.lower()}_{number}", made)
            values[node.output[0]] = graph.call_module(f"{node.op_type.lower()}_{number}", (values[node.input[0]],))
    graph.output(values[model.graph.output[0].name])
    return torch.fx.GraphModule(root, graph).eval()


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


def _module(node: onnx.NodeProto, constants: Mapping[str, Array]) -> Any:
    """The module of a node that PyTorch has as one."""
    import torch

    given = _attributes(node)
    pads = given.get("pads", [0, 0, 0, 0])
    match node.op_type:
        case "Conv":
            return _convolution(node, given, pads, constants)
        case "Gemm" | "MatMul":
            weight = constants[node.input[1]]
            weight = weight if given.get("transB") else weight.T
            return _filled(
                torch.nn.Linear(weight.shape[1], weight.shape[0], len(node.input) > 2), node, weight, constants
            )
        case "Relu":
            return torch.nn.ReLU()
        case "MaxPool":
            return torch.nn.MaxPool2d(tuple(given["kernel_shape"]), tuple(given["strides"]), tuple(pads[:2]))
        case "AveragePool":
            return torch.nn.AvgPool2d(tuple(given["kernel_shape"]), tuple(given["strides"]))
        case "GlobalAveragePool":
            return torch.nn.AdaptiveAvgPool2d(1)
    return None


def _convolution(
    node: onnx.NodeProto, given: Mapping[str, Any], pads: list[int], constants: Mapping[str, Array]
) -> Any:
    import torch

    weight = constants[node.input[1]]
    groups, even = given.get("group", 1), pads[:2] == pads[2:]
    made = torch.nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        weight.shape[2:],
        tuple(given.get("strides", (1, 1))),
        tuple(pads[:2]) if even else 0,
        groups=groups,
        bias=len(node.input) > 2,
    )
    made = _filled(made, node, weight, constants)
    around = torch.nn.ZeroPad2d((pads[1], pads[3], pads[0], pads[2]))
    return made if even else torch.nn.Sequential(around, made)


def _filled(made: Any, node: onnx.NodeProto, weight: Array, constants: Mapping[str, Array]) -> Any:
    import torch

    made.weight.data = torch.from_numpy(weight.copy())
    if len(node.input) > 2:
        made.bias.data = torch.from_numpy(constants[node.input[2]].copy())
    return made


def _call(graph: Any, node: onnx.NodeProto, values: list[Any], constants: Mapping[str, Array]) -> Any:
    """A node as a call of a function."""
    import torch

    match node.op_type:
        case "Add":
            bias = [constants[name] for name in node.input if name in constants]
            assert not bias, "a bias is part of its layer"
            return graph.call_function(torch.add, tuple(values))
        case "Flatten" | "Reshape":
            return graph.call_function(torch.flatten, (values[0], 1))
        case "Transpose":
            return graph.call_function(torch.permute, (values[0], tuple(_attributes(node)["perm"])))
    raise ValueError(f"no network of this benchmark has a {node.op_type}")


def with_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network, MatMul and Add of a constant as Gemm, so that every tool sees a layer with its bias."""
    made = onnx.ModelProto.FromString(model.SerializeToString())
    nodes, constants = list(made.graph.node), {entry.name for entry in made.graph.initializer}
    for node in [node for node in nodes if node.op_type == "MatMul" and node.input[1] in constants]:
        reader = next((other for other in nodes if node.output[0] in other.input and other.op_type == "Add"), None)
        if reader is not None:
            bias = next(name for name in reader.input if name != node.output[0])
            gemm = onnx.helper.make_node("Gemm", [*node.input, bias], reader.output, name=node.name)
            nodes[nodes.index(node)] = gemm
            nodes.remove(reader)
    made.graph.ClearField("node")
    made.graph.node.extend(nodes)
    return made


METHODS: dict[str, Callable[[Job], Array]] = {
    "onnxruntime MinMax": partial(by_onnxruntime, method="MinMax"),
    "onnxruntime Percentile": partial(by_onnxruntime, method="Percentile"),
    "onnxruntime Entropy": partial(by_onnxruntime, method="Entropy"),
    "Brevitas GPTQ": partial(by_brevitas, method="gptq", ranges="stats"),
    "Brevitas GPTQ, mse": partial(by_brevitas, method="gptq", ranges="mse"),
    "Brevitas Qronos": partial(by_brevitas, method="qronos", ranges="stats"),
    "Brevitas Qronos, mse": partial(by_brevitas, method="qronos", ranges="mse"),
    "Brevitas learned round": partial(by_brevitas, method="learned", ranges="stats"),
    "AIMET-ONNX AdaRound": by_aimet,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """What tools print goes to stderr."""
    kept, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = kept


def done(method: str, net: str, data: str, weights: int, activations: int, seed: int) -> dict[str, Any]:
    """What a line of JSON asks for."""
    random.seed(seed)
    np.random.seed(seed)
    if not method.startswith("onnxruntime"):
        import_module("torch").manual_seed(seed)
    held = np.load(data)
    job = Job(with_biases(onnx.load(net)), held["calibration"], held["x"], weights, activations)
    before = time.process_time()
    try:
        with _quiet():
            scores = METHODS[method](job)
    except Exception as error:  # noqa: BLE001 (whatever another tool raises is its result)
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    return {"labels": scores.reshape(len(job.x), -1).argmax(1).tolist(), "seconds": time.process_time() - before}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(done(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
