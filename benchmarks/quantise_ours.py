# SPDX-License-Identifier: Apache-2.0
"""Our side of `benchmarks/quantise.py`: the same lines of JSON as `quantise_peers.py`, the integers of the hardware."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

import bitwright as bw
from bitwright.compress import RANGES, float_net, outputs_of

FLOAT = "float"
OURS: dict[str, dict[str, Any]] = {
    FLOAT: {},
    "bitwright": {},
    "bitwright AdaRound": {"rounding": "adaround"},
    "bitwright po2": {"exact": "po2"},
    "bitwright nearest": {"rounding": "nearest"},
    "bitwright nearest, no correction": {"rounding": "nearest", "correct": "none"},
}
"""Options by the name of the method; what is not said is the default."""
RULES = {f"range {name}": {"rounding": "nearest", "range": name} for name in RANGES}
"""Every rule of ranges, weights rounded to the nearest and biases corrected."""


def done(method: str, net: str, data: str, weights: int, activations: int, seed: int) -> dict[str, Any]:
    """What a line of JSON asks for."""
    held = np.load(data)
    if method == FLOAT:
        scores, seconds = outputs_of(float_net(net), [held["x"]])[0], 0.0
    else:
        asked: dict[str, Any] = (OURS | RULES)[method] | {"weights": weights, "activations": activations}
        before = time.process_time()
        try:
            graph = bw.quantize(net, held["calibration"], **asked).graph()
        except bw.BitwrightError as error:
            return {"error": str(error)}
        seconds = time.process_time() - before
        scores = bw.run(graph, held["x"])
    return {"labels": scores.reshape(len(held["x"]), -1).argmax(1).tolist(), "seconds": seconds}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(done(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
