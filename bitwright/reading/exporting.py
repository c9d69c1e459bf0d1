# SPDX-License-Identifier: Apache-2.0
"""A PyTorch module as an ONNX file, as PyTorch exports it; fake quantisers, of any width, are QONNX `Quant` nodes."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bitwright.ir.errors import BitwrightError

OPSET = 13
DOMAIN = "qonnx.custom_op.general"
QUANT = f"{DOMAIN}::Quant"
PYTHON = ("Converting a tensor to a Python", "Iterating over a tensor")
"""How the exporter's warnings begin that say that a value, and no operator, decided."""
DECIDED = (
    "a value of the example decides here what is computed, and the export has that for every input; give an example"
    " that goes the way you mean, or write it with tensors (torch.where)"
)
FAKE = ("fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine")


def exported(module: Any, example: Any, where: str, *, norms: bool = False) -> bytes:
    """The ONNX file of a `torch.nn.Module` in evaluation mode; `example` is one input tensor, or a tuple of them.

    With `norms` a BatchNormalization behind a layer stays one, which it becomes a part of otherwise. What the example
    decided is a warning, by its line. Raises BitwrightError; `where` is who asks for PyTorch.
    """
    try:
        import torch
    except ImportError as error:
        raise BitwrightError("PyTorch is not installed", where=where, hint="pip install 'bitwright[torch]'") from error
    if not isinstance(module, torch.nn.Module):
        kind = f"is a {type(module).__name__} in place of a torch.nn.Module"
        raise BitwrightError(kind, where=where, hint="give the module, and load files by bitwright.load")
    _refuse_observers(module)
    examples = example if isinstance(example, tuple) else (example,)
    names = [f"input_{index}" if index else "input" for index in range(len(examples))]
    file: Any = io.BytesIO()
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with _fake_quantisers() as opsets, warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")  # the exporter that can be taught an operator calls itself old
            torch.onnx.export(
                module,
                examples,
                file,
                dynamo=False,
                training=torch.onnx.TrainingMode.PRESERVE if norms else torch.onnx.TrainingMode.EVAL,
                opset_version=OPSET,
                input_names=names,
                dynamic_axes={name: {0: "N"} for name in names},
                custom_opsets=opsets,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError) as error:  # of other examples than it takes
        raise BitwrightError(
            f"PyTorch cannot export it: {str(error).splitlines()[0]}",
            where=f"module {type(module).__name__}",
            hint="export it to ONNX by the tool that quantised it, and load that file",
        ) from error
    finally:
        for part, training in modes:  # a part after the whole that it is of
            part.train(training)
    for place in _decided(given, Path(torch.__file__).parent):
        warnings.warn(f"module {type(module).__name__}: {place}: {DECIDED}", stacklevel=3)
    return bytes(file.getvalue())


def _decided(given: Iterable[warnings.WarningMessage], torch: Path) -> Iterator[str]:
    """The lines, none of PyTorch's own, at which Python took a value out of a tensor."""
    lines = (f"{w.filename}:{w.lineno}" for w in given if str(w.message).startswith(PYTHON))
    yield from (line for line in dict.fromkeys(lines) if not line.startswith(f"{torch}{os.sep}"))


def _refuse_observers(module: Any) -> None:
    """A `FakeQuantize` that observes moves its range with every input; the graph of it would be of one moment."""
    for name, part in module.named_modules():
        if bool(getattr(part, "observer_enabled", False)):
            raise BitwrightError(
                f"its fake quantiser '{name}' still observes",
                where=f"module {type(module).__name__}",
                hint="fix the ranges first: module.apply(torch.ao.quantization.disable_observer)",
            )


@contextmanager
def _fake_quantisers() -> Iterator[dict[str, int]]:
    """Inside, the exporter writes fake quantisers as `Quant`; its own can only say 8 bits.

    What is yielded has the domain of `Quant` once one was written: the exporter complains on stderr of one without use.
    """
    exporter, opsets = _exporter(), dict[str, int]()
    symbolics: tuple[Callable[..., Any], ...] = (_per_tensor, _per_channel)
    for name, symbolic in zip(FAKE, symbolics, strict=True):
        exporter.register_custom_op_symbolic(f"aten::{name}", partial(symbolic, opsets), OPSET)
    try:
        yield opsets
    finally:
        for name in FAKE:
            exporter.unregister_custom_op_symbolic(f"aten::{name}", OPSET)


def _per_tensor(opsets: dict[str, int], g: Any, x: Any, scale: Any, zero: Any, low: Any, high: Any) -> Any:
    opsets[DOMAIN] = 1
    return _quant(g, x, (scale, zero), (low, high), ())


def _per_channel(opsets: dict[str, int], g: Any, x: Any, scale: Any, zero: Any, axis: Any, low: Any, high: Any) -> Any:
    opsets[DOMAIN] = 1
    helper = _exporter().symbolic_helper
    rank, place = helper._get_tensor_rank(x), helper._get_const(axis, "i", "axis")
    return _quant(g, x, (scale, zero), (low, high), tuple(-1 if a == place else 1 for a in range(rank)))


def _quant(g: Any, x: Any, numbers: tuple[Any, Any], limits: tuple[Any, Any], shape: tuple[int, ...]) -> Any:
    """A `Quant` of scale and zero, laid out in `shape` if they are for each channel."""
    import torch

    low, high = (_exporter().symbolic_helper._get_const(limit, "i", "quant_min or quant_max") for limit in limits)
    signed, narrow, bits = _coding(int(low), int(high))
    placed = []
    for number in numbers:
        real = g.op("Cast", number, to_i=1)
        layout = g.op("Constant", value_t=torch.tensor(shape)) if shape else None
        placed.append(g.op("Reshape", real, layout) if shape else real)
    width = g.op("Constant", value_t=torch.tensor(float(bits)))
    made = g.op(QUANT, x, *placed, width, signed_i=signed, narrow_i=narrow, rounding_mode_s="ROUND")
    return made.setType(x.type())


def _exporter() -> Any:
    """PyTorch's exporter with all its parts, some of which have no types."""
    import torch.onnx.symbolic_helper

    return torch.onnx


def _coding(low: int, high: int) -> tuple[int, int, int]:
    """(signed, narrow, bits) of the codes low..high."""
    bits = (high - low).bit_length()
    for signed, lowest, highest in ((0, 0, (1 << bits) - 1), (1, -(1 << bits - 1), (1 << bits - 1) - 1)):
        for narrow in (0, 1):
            ends = (lowest + narrow * signed, highest - narrow * (1 - signed))
            if ends == (low, high):
                return signed, narrow, bits
    raise BitwrightError(
        f"codes {low}..{high} are no range of whole bits",
        where="fake quantiser",
        hint="for example quant_min=-8, quant_max=7, or -7 and 7, or 0 and 15",
    )
