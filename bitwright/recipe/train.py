# SPDX-License-Identifier: Apache-2.0
"""The step that trains: the float network, or the integers that it is going to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bitwright.compress import SCALES, FloatNet, Training, calibrate, distil, fit, trainable
from bitwright.compress.config import nearest_names, read_config
from bitwright.compress.prune import CRITERIA, RULES
from bitwright.compress.qat import check_quantisers, need_torch
from bitwright.ir.errors import BitwrightError
from bitwright.ir.stages import begins
from bitwright.recipe.prune import Zeros
from bitwright.recipe.step import Material, Place, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile(Zeros):
    """Weights that are set to zero while a network trains, and whether one that is gone may come back (`rule`)."""

    schedule: str = "cubic"
    rule: str = "permanent"

    def __post_init__(self) -> None:
        Zeros.__post_init__(self)
        if self.rule not in RULES:
            raise _refusal(f"{self.rule!r} cannot be used for rule", nearest_names(self.rule, set(RULES)))
        if CRITERIA[self.criterion].needs == "inputs":
            hint = "put a step 'prune' with it before this one, or use another"
            raise _refusal(f"'{self.criterion}' solves for weights, not while they train", hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Training on the samples `train` and their labels, or on what the first network says of them (`distil`).

    With quantisers of `weights` and `activations`, as "lsq:4" or "ternary", it ends the recipe: the integers are those
    that were trained. Without, the float network is trained on. Weights that are zero stay zero, and with `prune` more
    become so. Needs PyTorch.
    """

    epochs: int = 10
    lr: float = 2e-3
    batch: int = 64
    seed: int = 0
    weights: int | str | None = None
    activations: int | str | None = None
    scale: str = "free"
    config: Mapping[str, Any] | None = None
    accumulator: int | None = None
    distil: str | None = None
    share: float = 0.5
    temperature: float = 1.0
    dropout: bool = False
    prune: Meanwhile | None = None
    aids: tuple[str, ...] = ()
    gradient: str | None = None
    project: str | None = None
    every: int = 1

    def __post_init__(self) -> None:
        need_torch("train")
        self._check_names()
        self._training(None, None)
        if self.scale not in SCALES:
            raise _refusal(f"{self.scale!r} cannot be used for scale", f"choose {' or '.join(SCALES)}")
        if self.ends:
            check_quantisers(self.weights, self.activations, self.accumulator)
        elif self.config is not None or self.accumulator is not None or self.scale != "free":
            hint = "give weights and activations, for example lsq:4 both, or leave it out"
            raise _refusal("says how to quantise, and has no quantisers", hint)
        if self.config is not None:
            read_config(self.config)

    def _check_names(self) -> None:
        """Refuse aids and gradients that there are not."""
        from bitwright.compress.torch.aids import AIDS
        from bitwright.compress.torch.gradients import GRADIENTS
        from bitwright.compress.torch.projections import projection

        if self.project is not None:
            projection(self.project)
        gradients = () if self.gradient is None else (self.gradient,)
        for option, given, names in (("aids", self.aids, AIDS), ("gradient", gradients, GRADIENTS)):
            for name in given:
                if name not in names:
                    raise _refusal(f"{name!r} cannot be used for {option}", nearest_names(name, set(names)))

    @property
    def ends(self) -> bool:
        """True where integers are trained."""
        return self.weights is not None or self.activations is not None

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet | Result:
        """The network after training."""
        from bitwright.compress.torch.aids import AIDS

        x = list(material.trained_on)
        data: Any = x if self.distil and material.labels is None else (x, material.labelled("train"))
        if self.ends:
            names = ("weights", "activations", "scale", "config", "accumulator", "dropout")
            asked: dict[str, Any] = {name: getattr(self, name) for name in names}
            module = trainable(net, **asked, calibration=calibrate(net, material.calibration))
        else:
            module = trainable(net, dropout=self.dropout)
        module.keep_zeros()
        if self.prune is not None:
            how: dict[str, Any] = {"block": self.prune.blocks(net, material), "scope": self.prune.scope}
            module.prune(self.prune.criterion, self.prune.times(), **how, rule=self.prune.rule)
        options = self._training(material.first, checkpoint)
        options["aids"] = [*options["aids"], *(_Aid(name, AIDS[name](module)) for name in self.aids)]
        fit(module, data, **options)
        if not self.ends:
            return module.float_net()
        state = module.state()
        return Result(state, calibrate(state.net, material.calibration))

    def _training(self, first: FloatNet | None, checkpoint: Place | None) -> dict[str, Any]:
        """The options of `fit`, checked; the `first` network is the one to learn from."""
        teacher = None if first is None or not self.distil else trainable(first).eval().logits
        taught: dict[str, Any] = {"weight": self.share, "temperature": self.temperature, "teacher": teacher}
        aids = [distil(self.distil, **taught)] if self.distil else []
        asked: dict[str, Any] = {"epochs": self.epochs, "lr": self.lr, "batch": self.batch, "seed": self.seed}
        asked |= {"gradient": self.gradient, "project": self.project, "every": self.every}
        Training(**asked, aids=aids)
        place = None if checkpoint is None else checkpoint()
        return {**asked, "aids": aids, "checkpoint": place, "progress": _Said(self.epochs)}


class _Aid:
    """An aid by its name, which is how a training that goes on knows it."""

    def __init__(self, name: str, aid: Any) -> None:
        self.name, self.aid = name, aid

    def __repr__(self) -> str:
        return self.name

    def __call__(self, *given: Any) -> Any:
        return self.aid(*given)


class _Said:
    """Says which epoch begins."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.said = epochs, 0

    def __call__(self, done: int, steps: int, loss: float) -> None:
        epoch = done * self.epochs // steps
        if epoch != self.said:
            self.said = epoch
            begins(f"training: {epoch} of {self.epochs} epochs, loss {loss:.3g}")


def _refusal(what: str, hint: str) -> BitwrightError:
    return BitwrightError(what, where="train", hint=hint)


STEPS = {"train": Train}
