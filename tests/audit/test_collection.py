# SPDX-License-Identifier: Apache-2.0
"""The outputs that other tools gave for published networks: whatever is not equal lies at a boundary."""

from __future__ import annotations

import pytest

from bitwright import api
from tests.collection import golden, load, needs_collection, taken

SAMPLES = 8
DIFFERENT = {
    "qonnx_repo/espcn_nn_resize_w4a4",
    "tflite/ic_resnet8_int8",
    "tflite/int16_conv0",
    "tflite/int16_leakyrelu0",
}
"""Networks of which these samples differ somewhere: float32 summed or divided to the other side of a step."""


@pytest.mark.slow
@needs_collection
@pytest.mark.parametrize("name", taken())
def test_nothing_is_unexplained_nor_wide(name: str) -> None:
    inputs, outputs = golden(name, SAMPLES)
    report = api.verify(load(name), inputs, outputs)
    found = report["golden"]
    assert found["elements"] == sum(array.size for array in outputs)
    assert found["equal"] + found["boundary"] == found["elements"]
    assert (found["boundary"] > 0) == (name in DIFFERENT)
    for part in report.get("audit", {"parts": []})["parts"]:
        assert part["verdict"] == "boundary" and part["ours"] != part["theirs"]


@pytest.mark.slow
@needs_collection
@pytest.mark.parametrize(
    ("name", "boundary"),
    [
        ("tflite/int16_add0", 3),
        ("tflite/int16_conv0", 125),
        ("tflite/int16_leakyrelu0", 1141),
        ("tflite/ic_resnet8_int8", 32),
        ("qonnx_repo/espcn_nn_resize_w4a4", 4),
    ],
)
def test_every_difference_of_all_samples_is_a_boundary(name: str, boundary: int) -> None:
    counts = api.verify(load(name), *golden(name))["golden"]
    assert (counts["boundary"], counts["wide"], counts["unexplained"]) == (boundary, 0, 0)
