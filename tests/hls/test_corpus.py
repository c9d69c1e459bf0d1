# SPDX-License-Identifier: Apache-2.0
"""The C++ of a few networks of the model collection: synthesisable, without a deadlock, clean under sanitizers.

`make corpus` takes all of them.
"""

from __future__ import annotations

import pytest

from benchmarks.corpus import MODELS, check, check_program
from bitwright.backends.hls.project import generate
from bitwright.ir.errors import BitwrightError
from tests.hls.test_golden import small
from tests.needs import needs_cxx, needs_package

NETWORKS = ["brevitas/upcat_qonnx", "hls4ml_examples/bnn_fc_1layer", "ortquant/cnn_qdq_u8u8"]
pytestmark = needs_cxx


@pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("synthesis", marks=needs_package("clang")),
        "threads",
        "sanitize",
    ],
)
def test_the_cpp_of_a_network(kind: str, name: str) -> None:
    passed, said = check(kind, MODELS / name, 2)
    assert passed, said


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("y.lane[lane] = ", "y.lane[lane + 1] = ", "runtime error: store to address .* with insufficient space"),
        ("int position = 0;", "int position = 1 << 31 << beat0();", "runtime error: shift exponent 40 is too large"),
    ],
)
def test_the_sanitizers_end_what_is_wrong(old: str, new: str, says: str) -> None:
    files = generate(small())
    pool = files["kernels/bw_pool.hpp"]
    helper = "namespace bw {\ninline int beat0() {\n  volatile int beats = 40;\n  return beats;\n}\n"
    broken = pool.replace("namespace bw {\n", helper, 1).replace(old, new, 1)
    with pytest.raises(BitwrightError, match=says):
        check_program("sanitize", files | {"kernels/bw_pool.hpp": broken}, "small")
