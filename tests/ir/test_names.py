# SPDX-License-Identifier: Apache-2.0
"""Identifiers made from hostile names."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitwright.ir.names import CPP, LIMIT, RESERVED, SYSTEMVERILOG, identifier, identifiers

HOSTILE = st.one_of(
    st.text(max_size=80),
    st.sampled_from(sorted(RESERVED)),
    st.sampled_from(sorted(RESERVED)).map(str.upper),
    st.text(alphabet="aZ_0;/\"'\\\n{}$[]é ", max_size=320),
)


def valid(text: str) -> bool:
    shape = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", text)
    return (
        shape is not None
        and len(text) <= LIMIT
        and text not in RESERVED
        and not text.endswith("_t")
        and text[:3] != "bw_"
    )


@given(st.lists(HOSTILE, max_size=30))
@example(["BW", "bw", "bw_1"])
def test_identifiers_are_valid_different_and_complete(names: list[str]) -> None:
    found = identifiers(names)
    assert list(found) == list(dict.fromkeys(names))
    assert len(set(found.values())) == len(found)
    assert all(valid(made) for made in found.values())


@given(HOSTILE, st.sets(HOSTILE, max_size=5))
def test_a_good_identifier_that_is_free_stays(name: str, others: set[str]) -> None:
    made = identifier(name, set())
    assert identifier(made, set()) == made
    assert identifier(made, set(identifiers(sorted(others)).values()) | {made}) != made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1", "conv1"),
        ("Conv_0", "conv_0"),
        ("/layer.3/Conv;output", "layer_3_conv_output"),
        ("input.1", "input_1"),
        ("reg", "reg_1"),
        ("Output", "output_1"),
        ("size_t", "size_t_1"),
        ("0", "n0"),
        ("bw_fifo", "nbw_fifo"),
        ("", "n"),
        ("ключ", "n"),
        ("__a__b__", "a_b"),
        ('"; exec rm -rf /', "exec_rm_rf"),
        ("x" * 300, "x" * 48),
        ("9" * 300, "n" + "9" * 47),
        (
            "model/activation/Relu;model/batch_norm/Fused;model/conv2d_1/Conv2D1_quantize",
            "model_conv2d_1_conv2d1_quantize",
        ),
        (
            "model/conv2d_5/Conv2D;model/conv2d_5/BiasAdd/ReadVariableOp/resource1_quantize",
            "model_conv2d_5_readvariableop_resource1_quantize",
        ),
        ("a" * 40 + "/" + "b" * 40 + ";", "a" * 7 + "_" + "b" * 40),
    ],
)
def test_examples(name: str, expected: str) -> None:
    assert identifier(name, set()) == expected


def test_collisions_are_numbered_within_the_limit() -> None:
    long = "x" * 300
    assert list(identifiers([long, long + "!", "a/b", "a.b", "A-b"]).values()) == [
        "x" * 48,
        "x" * 46 + "_1",
        "a_b",
        "a_b_1",
        "a_b_2",
    ]


def test_the_keyword_lists_hold_what_models_are_likely_to_use() -> None:
    assert {"int", "union", "and", "register", "float", "not"} <= CPP
    assert {"input", "output", "reg", "table", "and", "not", "soft", "bit", "matches"} <= SYSTEMVERILOG
