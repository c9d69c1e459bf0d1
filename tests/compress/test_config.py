# SPDX-License-Identifier: Apache-2.0
"""Choices for single layers: what a configuration may hold, what its names stand for, one message for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import State, calibrate, quantised, quantize
from bitwright.compress.config import Config, Rule, read_config
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.exported import differences

MODEL = graph(
    [
        node("Conv", "x kernel b", "h", pads=[1, 1, 1, 1]),
        node("Relu", "h", "relu"),
        node("Conv", "relu second", "g"),
        node("Add", "g relu", "sum"),
        node("Flatten", "sum", "f"),
        node("Gemm", "f dense bias", "y"),
    ],
    {"kernel": normal(3, 2, 3, 3), "b": normal(3), "second": normal(3, 3, 1, 1), "dense": normal(48, 4),
     "bias": normal(4)},
    sample=[2, 4, 4],
)  # fmt: skip
X = normal(40, 2, 4, 4)


def made(config: dict[str, Any], **options: Any) -> State:
    return quantize(MODEL, X, config=config, rounding="nearest", correct="none", **options)


def bits(state: State) -> dict[str, int]:
    """Weight or tensor -> bits."""
    found = {name: act.type.bits for name, act in state.acts.items()}
    return found | {
        name: coded.type.bits for name, (coded,) in state.weights.items() if not isinstance(coded.type, tuple)
    }


EXAMPLE = "for example `conv1: {weights: 8, activations: 6}`"
ALL = {"x": 4, "relu": 4, "g": 4, "sum": 4, "kernel": 4, "second": 4, "dense": 4}


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        ({"Conv_h": {"weights": 8}}, {"kernel": 8}),
        ({"Conv_h": {"weights": 8, "activations": 6}}, {"kernel": 8, "x": 6}),
        ({"kernel": {"weights": 3, "activations": 7}}, {"kernel": 3, "x": 7}),
        ({"relu": {"activations": 5}}, {"relu": 5}),
        ({"h": {"weights": 8, "activations": 6}}, {"kernel": 8, "x": 6}),
        ({"g": {"activations": 6}}, {"g": 6}),
        ({"Add_sum": {"activations": 6}}, {"g": 6, "relu": 6}),
        ({"Conv_*": {"weights": 2}}, {"kernel": 2, "second": 2}),
        ({"*": {"weights": 6, "activations": 5}, "dense": {"weights": 8}},
         {"x": 5, "relu": 5, "g": 5, "sum": 5, "kernel": 6, "second": 6, "dense": 8}),
    ],
)  # fmt: skip
def test_names_and_patterns_stand_for_layers_and_tensors(config: dict[str, Any], changed: dict[str, int]) -> None:
    state = made(config, weights=4, activations=4)
    assert bits(state) == ALL | changed
    assert differences(state.graph(), bw.load(state.onnx())) == []


def test_every_option_reaches_what_it_is_about() -> None:
    state = made({"second": {"per_channel": False, "scale": "po2", "range": "max"}, "x": {"zero": True}})
    (coded,) = state.weights["second"]
    assert coded.scale.shape == () and np.frexp(coded.scale)[0] == 0.5
    assert state.weights["kernel"][0].scale.shape == (3, 1, 1, 1)
    assert np.frexp(state.acts["relu"].scale)[0] == 0.5 and np.frexp(state.acts["x"].scale)[0] != 0.5
    assert state.acts["x"].zero != 0
    one, other = (quantize(MODEL, X, config=rules, weights=3, correct="none") for rules in
                  (None, {"dense": {"rounding": "nearest"}}))  # fmt: skip
    assert one.weights["dense"] != other.weights["dense"] and one.weights["kernel"] == other.weights["kernel"]
    assert other.weights["dense"] == made({}.fromkeys(["kernel"], {"weights": 3}), weights=3).weights["dense"]


def test_a_tensor_may_stay_as_it_is_where_that_is_exact() -> None:
    state = made({"g": {"activations": "float"}}, scale="po2")
    assert set(state.acts) == {"x", "relu", "sum"}
    assert differences(state.graph(), bw.load(state.onnx())) == []


def test_a_yaml_file_holds_rules_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "layers.yaml"
    path.write_text("Conv_*:\n  weights: 8\n  zero: auto\ndense: {activations: 3, zero: false}\n'*': {range: max}\n")
    assert read_config(path) == Config(
        (
            Rule("Conv_*", (("weights", 8), ("zero", "auto"))),
            Rule("dense", (("activations", 3), ("zero", "never"))),
            Rule("*", (("range", "max"),)),
        ),
        str(path),
    )
    assert quantised(calibrate(MODEL, [X]), config=path, rounding="nearest").acts["sum"].type.bits == 3


def refused(config: Any, **options: Any) -> str:
    with pytest.raises(BitwrightError) as refusal:
        made(config, **options)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"Conv_g2": {"weights": 8}},
         "config: 'Conv_g2': names nothing that is quantised\n  hint: the nearest are 'Conv_g', 'Conv_h'"),
        ({"zzz*": {"weights": 8}},
         "config: 'zzz*': names nothing that is quantised\n"
         "  hint: there are 'Add_sum', 'Conv_g', 'Conv_h', 'Gemm_y', 'dense'"),
        ({"kernel": {"weight": 8}},
         "config: 'kernel': has no option 'weight'\n  hint: did you mean 'weights'? options are weights, activations, "
         "per_channel, range, rounding, scale, zero"),
        ({"kernel": {"weights": 0}},
         "config: 'kernel': 0 cannot be used for weights\n  hint: choose 1 to 16 bits, or float"),
        ({"kernel": {"weights": True}},
         "config: 'kernel': True cannot be used for weights\n  hint: choose 1 to 16 bits, or float"),
        ({"kernel": {"weights": "8"}},
         "config: 'kernel': '8' cannot be used for weights\n  hint: choose 1 to 16 bits, or float"),
        ({"kernel": {"per_channel": "yes"}},
         "config: 'kernel': 'yes' cannot be used for per_channel\n  hint: choose true or false"),
        ({"kernel": {"zero": 1}}, "config: 'kernel': 1 cannot be used for zero\n  hint: choose auto, true or false"),
        ({"kernel": {"scale": ["po2"]}},
         "config: 'kernel': ['po2'] cannot be used for scale\n  hint: choose free or po2"),
        ({"kernel": 8}, f"config: 'kernel': is 8, where options belong\n  hint: {EXAMPLE}"),
        ({"kernel": "float"}, "config: 'kernel': weights cannot stay in float\n  hint: give them up to 16 bits"),
        ({"relu": {"weights": 8}}, "config: 'relu': has no weights to quantise\n  hint: leave out weights"),
        ({}, f"config: holds no names with options\n  hint: give some, {EXAMPLE}"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_honoured_is_one_message(config: Any, message: str) -> None:
    assert refused(config) == message


def test_free_scales_beside_a_promise_of_equality_are_refused() -> None:
    assert refused({"kernel": {"scale": "free"}}, exact="po2") == (
        "config: 'kernel': has scale 'free' beside exact 'po2'\n  hint: leave scale out"
    )


HINT = f"\n  hint: write YAML, {EXAMPLE}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x {weights: 8}\nb: *x\n",
         ", line 2: is no YAML that is taken: an alias is not taken: write the value out" + HINT),
        ("a: {weights: 8}\nb: {weights: 3}\na: {weights: 4}\n",
         ", line 3: is no YAML that is taken: 'a' is there twice" + HINT),
        ("a:\n  weights: 8\n  weights: 4\n", ", line 3: is no YAML that is taken: 'weights' is there twice" + HINT),
        ("a: [1\n", ", line 2: is no YAML that is taken: expected ',' or ']', but got '<stream end>'" + HINT),
        ("a: !!python/object:os.system {}\n",
         ", line 1: is no YAML that is taken: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object:os.system'" + HINT),
        ("a: {weights: 8}\n---\nb: {}\n", ", line 2: is no YAML that is taken: but found another document" + HINT),
        ("- weights\n", f": holds no names with options\n  hint: give some, {EXAMPLE}"),
        ("#" * (1 << 18) + "\n", ": has more than 262144 bytes\n  hint: a pattern names many layers at once"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_plain_yaml_is_one_message(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "layers.yaml"
    path.write_text(text)
    with pytest.raises(BitwrightError) as refusal:
        read_config(path)
    assert str(refusal.value) == f"{path}{message}"


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"\x00", b"? [a, b]\n: 1\n", b"[" * 1500, b"a: " * 500, b"2024-13-45: 1\n", b"1: 2\n",
             b"a: 0x" + b"f" * 9000, b"a: {weights: 1e999}\n", b"~: ~\n", b"a: !!binary x\n", b"<<: {a: 1}\n", b"\t"],
)  # fmt: skip
def test_bytes_of_any_kind_are_one_message(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "layers.yaml"
    path.write_bytes(data)
    with pytest.raises(BitwrightError):
        read_config(path)


def test_a_file_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as refusal:
        read_config(tmp_path / "none.yaml")
    assert str(refusal.value) == (
        f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory\n  hint: give the path of a YAML file"
    )
