# SPDX-License-Identifier: Apache-2.0
"""The doors to training with PyTorch, which is imported when one of them is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from bitwright.compress.calibrate import Calibration
from bitwright.compress.quantise import Configured
from bitwright.compress.training import Fitted, Training
from bitwright.ir.errors import BitwrightError

if TYPE_CHECKING:
    from bitwright.compress.torch.trainable import Trainable


def trainable(
    model: Any,
    example: Any = None,
    *,
    weights: str | int | None = None,
    activations: str | int | None = None,
    scale: str = "free",
    calibration: Calibration | Any = None,
    config: Configured = None,
    accumulator: int | None = None,
    norms: bool = False,
    dropout: bool = False,
) -> Trainable:
    """The float `model` as a `torch.nn.Module` that computes with the integers it is going to be.

    `model` is what `quantize` takes; a PyTorch module is exported with `example`. `weights` and `activations` name a
    quantiser and its bits, as in "lsq:4" or "ternary"; with neither the module is float. The scales begin where they
    are best on `calibration` (arrays as for `quantize`); with `scale="po2"` they are powers of two and biases whole
    steps, and the saved network equals the module to the last element. `config` sets the bits of single layers.
    With `accumulator` the sums of no layer need more bits, whatever the inputs.

    For training from scratch, `norms` keeps the BatchNormalization of a PyTorch module, which is a part of the layer
    before it otherwise; one that a file holds takes the statistics of each batch while training, and the running ones
    afterwards. `dropout` has the Dropout that a file holds drop while training.
    """
    need_torch("trainable")
    from bitwright.compress.torch.making import trainable as made

    return made(
        model,
        example,
        weights=weights,
        activations=activations,
        scale=scale,
        calibration=calibration,
        config=config,
        accumulator=accumulator,
        norms=norms,
        dropout=dropout,
    )


def check_quantisers(weights: str | int | None, activations: str | int | None, accumulator: int | None) -> None:
    """Refuse what `trainable` could not take."""
    need_torch("trainable")
    from bitwright.compress.torch import ACTIVATIONS, QUANTISERS
    from bitwright.compress.torch.making import check_accumulator, method_of

    method_of("weights", weights, QUANTISERS)
    method_of("activations", activations, ACTIVATIONS)
    check_accumulator(accumulator)


def fit(module: Trainable, data: Any, **options: Unpack[Fitted]) -> tuple[float, ...]:
    """Trains a module of `trainable` on data, (x, y) or x alone; the mean loss of each epoch.

    `x` is one array, or a list of one for each input, samples on axis 0; `y` classes, or values shaped as the output.
    Without labels there must be an aid that does without, `distil("kd")`. `Training` has the options.
    """
    training = Training(**options)
    need_torch("fit")
    from bitwright.compress.torch.executor import Executor
    from bitwright.compress.torch.fit import fit as run

    if not isinstance(module, Executor):
        what = f"a {type(module).__name__} in place of a network to train"
        raise BitwrightError(what, where="fit", hint="make it by bitwright.compress.trainable")
    return run(module, data, training)


def need_torch(where: str) -> None:
    """BitwrightError where PyTorch is missing."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise BitwrightError("PyTorch is not installed", where=where, hint="pip install 'bitwright[torch]'") from error
