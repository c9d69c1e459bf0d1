# SPDX-License-Identifier: Apache-2.0
"""Exact real functions of one code, as data: the steps that a `Table` layer records.

A function is a tuple of steps applied in order to the real input value; each step is a tuple of strings, numbers as
exact fractions `p/q`:

    ("affine", a, b)      v -> a*v + b
    ("clip", lo, hi)      v -> min(max(v, lo), hi); an empty string is no limit
    ("leaky_relu", a)     v -> v if v >= 0 else a*v
    ("elu", a)            v -> v if v >= 0 else a*(exp(v) - 1)
    ("abs",)              v -> |v|
    ("sigmoid",)          v -> 1 / (1 + exp(-v))
    ("tanh",)             v -> tanh(v)
    ("exp",)              v -> exp(v)
    ("softplus",)         v -> log(1 + exp(v))
    ("erf",)              v -> erf(v)
    ("normal_cdf",)       v -> (1 + erf(v / sqrt(2))) / 2
    ("times_input",)      v -> v * x, with x the real value that the first step was given
"""

from __future__ import annotations

Step = tuple[str, ...]
Function = tuple[Step, ...]
