# SPDX-License-Identifier: Apache-2.0
"""The C++ of a few networks of the model collection: synthesisable, without a deadlock, clean under sanitizers.

`make corpus` takes all of them.
"""

from __future__ import annotations

import pytest

from benchmarks.corpus import MODELS, check, check_program
from bitwright.backends.hls.project import generate
from bitwright.ir.errors import BitwrightError
from tests.hls.programs import needs_vendor
from tests.hls.test_golden import small
from tests.needs import needs_cxx, needs_package

NETWORKS = ["brevitas/upcat_qonnx", "hls4ml_examples/bnn_fc_1layer", "ortquant/cnn_qdq_u8u8"]
MORE = ["qonnx_zoo/kwsmlp_w3a3", "tflite/ic_resnet8_int8", "ortquant/conv1d_qdq"]
pytestmark = needs_cxx


@pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("synthesis", marks=needs_package("clang")),
        "threads",
        "sanitize",
        pytest.param("vendor", marks=needs_vendor),
    ],
)
def test_the_cpp_of_a_network(kind: str, name: str) -> None:
    passed, said = check(kind, MODELS / name, 2)
    assert passed, said


@needs_vendor
@pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")
@pytest.mark.parametrize("name", MORE)
def test_the_bench_of_a_network_passes_with_the_vendors_headers(name: str) -> None:
    """As plain integers the 191,000 weights of `kwsmlp_w3a3` compile in seconds, as objects of classes in minutes."""
    passed, said = check("vendor", MODELS / name, 2)
    assert passed, said


@needs_vendor
def test_the_vendors_stream_tells_of_a_word_too_few() -> None:
    """It goes on with a zero where ours throws."""
    files = generate(small())
    axis = files["kernels/bw_axis.hpp"]
    broken = axis.replace("beat < Shape::Beats; ++beat", "beat < Shape::Beats - 1; ++beat", 1)
    with pytest.raises(BitwrightError, match="WARNING: Hls::stream 'x' is read while empty"):
        check_program("vendor", files | {"kernels/bw_axis.hpp": broken}, "small")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("y.lane[lane] = ", "y.lane[lane + 1] = ", "runtime error: store to address .* with insufficient space"),
        (
            "Counter<Shape::Fold> position = 0;",
            "int position = 1 << 31 << beat0();",
            "runtime error: shift exponent 40 is too large",
        ),
    ],
)
def test_the_sanitizers_end_what_is_wrong(old: str, new: str, says: str) -> None:
    files = generate(small())
    pool = files["kernels/bw_pool.hpp"]
    helper = "namespace bw {\ninline int beat0() {\n  volatile int beats = 40;\n  return beats;\n}\n"
    broken = pool.replace("namespace bw {\n", helper, 1).replace(old, new, 1)
    with pytest.raises(BitwrightError, match=says):
        check_program("sanitize", files | {"kernels/bw_pool.hpp": broken}, "small")
