# SPDX-License-Identifier: Apache-2.0
"""Metrics of one's own: a function or a `Metric` of a module, which the folder of a sweep keeps by its name.

A function's mean over all samples is a loss, the less the better; a `Metric` says more of itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any

from bitwright.explore.metrics import METRICS, Metric
from bitwright.explore.objectives import OBJECTIVES, Objective
from bitwright.ir.errors import BitwrightError

HINT = "give a function, or a Metric, at the top of a module: workers and --check find it there, as in 'module:name'"


def name_of(metric: str | Metric | Callable[[Any, Any], Any]) -> str:
    """What a folder keeps of a metric: a name of `METRICS`, or `module:name`."""
    if isinstance(metric, str):
        return metric
    source = metric.values if isinstance(metric, Metric) else metric
    module = getattr(source, "__module__", "")
    held = vars(sys.modules[module]) if module in sys.modules else {}
    names = [name for name, value in held.items() if value is metric]
    if not names:
        said = getattr(source, "__qualname__", repr(source))
        raise BitwrightError(f"'{said}' is found by no name", where="metric", hint=HINT)
    return f"{module}:{names[0]}"


def metric_of(name: str) -> Metric:
    """The metric of a name; BitwrightError if there is none."""
    if name in METRICS:
        return METRICS[name]
    module, colon, own = name.partition(":")
    if not colon:
        hint = f"there are {', '.join(METRICS)}, and any function in Python as 'module:name'"
        raise BitwrightError(f"no metric '{name}'", where="explore", hint=hint)
    return _checked(name, _held(name, module, own))


def _held(name: str, module: str, own: str) -> object:
    try:
        return vars(import_module(module))[own]
    except (ImportError, KeyError, ValueError) as error:
        what = f"cannot be found ({type(error).__name__}: {error})"
        raise BitwrightError(what, where=f"metric '{name}'", hint="put the folder of its file on PYTHONPATH") from error


def _checked(name: str, held: object) -> Metric:
    if isinstance(held, FunctionType):
        held = Metric(Objective(held.__name__, f"the mean of {name}"), held)
    if not isinstance(held, Metric):
        raise BitwrightError(f"is a {type(held).__name__}", where=f"metric '{name}'", hint=HINT)
    if held.name in OBJECTIVES and held.name not in METRICS:
        hint = "call it otherwise: designs have that figure already"
        raise BitwrightError(f"is called '{held.name}'", where=f"metric '{name}'", hint=hint)
    return held
