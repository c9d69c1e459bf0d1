# SPDX-License-Identifier: Apache-2.0
"""Rounding: closed forms, brute force on small layers, laws of every method in `ROUNDINGS`."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from bitwright.compress.round import ROUNDINGS, Problem
from bitwright.compress.round.adaround import adaround
from bitwright.compress.round.gptq import gptq, matched
from bitwright.compress.round.nearest import nearest
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import normal


def problem(groups: int = 2, outputs: int = 3, terms: int = 4, columns: int = 200, seed: int = 0) -> Problem:
    """Correlated inputs, all of one sign, and the outputs that the float weights make of slightly other ones."""
    weight = normal(groups, outputs, terms, seed=seed)
    mixing = normal(groups, terms, terms, seed=seed + 1)
    inputs = np.maximum(mixing @ normal(groups, terms, columns, seed=seed + 2) + np.float32(0.3), 0)
    exact = inputs + np.float32(0.1) * normal(groups, terms, columns, seed=seed + 3)
    scale = np.abs(weight).max(axis=2, keepdims=True) / np.float32(3)
    return Problem(weight, inputs, weight @ exact, scale, np.float32(-3), np.float32(3), np.True_, np.zeros((1, 1, 1)))


def errors(given: Problem, weights: np.ndarray) -> np.ndarray:
    """The squared error of each output."""
    return ((weights @ given.inputs - given.outputs) ** 2).sum(axis=2)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_codes_are_inside_their_type_and_zero_where_the_mask_removes_them(rounding: str) -> None:
    plain = problem(terms=150)
    mask = np.random.default_rng(0).random(plain.weight.shape) < 0.7
    for given in (plain, replace(plain, mask=mask)):
        codes = ROUNDINGS[rounding](given)
        assert codes.dtype == np.int32 and codes.shape == given.weight.shape
        assert np.abs(codes).max() == 3
        assert not codes[~np.broadcast_to(given.mask, codes.shape)].any()


def test_matched_weights_are_those_of_least_squares() -> None:
    given = problem()
    inputs, outputs = given.inputs, given.outputs
    for group, found in enumerate(matched(given)):
        # held near the old weights by as many more equations as there are terms
        held = np.sqrt(given.squares.damping[group, 0, 0]) * np.eye(inputs.shape[1])
        left = np.concatenate([inputs[group].T, held])
        right = np.concatenate([outputs[group].T, held @ given.weight[group].T])
        np.testing.assert_allclose(found, np.linalg.lstsq(left, right)[0].T, rtol=1e-3, atol=1e-4)


def test_what_is_removed_is_made_good_by_what_is_left() -> None:
    given = problem()
    given = replace(given, mask=np.random.default_rng(0).random(given.weight.shape) < 0.6)
    found = matched(given)
    assert not found[~given.mask].any()
    for group, output in np.ndindex(given.mask.shape[:2]):
        kept = given.mask[group, output]
        held = np.sqrt(given.squares.damping[group, 0, 0]) * np.eye(kept.sum())
        left = np.concatenate([given.inputs[group, kept].T, held])
        right = np.concatenate([given.outputs[group, output], held @ given.weight[group, output, kept]])
        np.testing.assert_allclose(found[group, output, kept], np.linalg.lstsq(left, right)[0], rtol=1e-3, atol=1e-4)


def test_outputs_with_zeros_of_their_own_are_rounded_apart_unless_that_is_much_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = []
    for seed in range(10):
        given = problem(terms=20, seed=seed)
        given = replace(given, mask=np.random.default_rng(seed).random(given.weight.shape) < 0.3)
        monkeypatch.undo()
        exact = gptq(given)
        monkeypatch.setattr(sys.modules["bitwright.compress.round.squares"], "APART", 0)
        rough = gptq(given)
        assert not exact[~given.mask].any() and not rough[~given.mask].any()
        lost.append([errors(given, codes * given.scale).sum() for codes in (exact, rough, nearest(given))])
    exact, rough, plain = np.sum(lost, axis=0)
    assert exact < 0.9 * rough < 0.9 * plain


def test_inputs_without_correlation_leave_nothing_to_make_good() -> None:
    weight = normal(2, 3, 5)
    inputs = np.tile(np.eye(5, dtype=np.float32), (2, 1, 1)) * np.float32(2)
    scale = np.float32(0.5)
    given = Problem(
        weight, inputs, weight @ inputs, scale, np.float32(-3), np.float32(3), np.True_, np.zeros((1, 1, 1))
    )
    np.testing.assert_array_equal(gptq(given), nearest(given))


def test_gptq_is_between_nearest_and_the_best_there_is() -> None:
    lost = []
    for seed in range(20):
        given = problem(groups=1, outputs=1, terms=4, seed=seed)
        codes = np.array(list(product(range(-3, 4), repeat=4)))[:, None, None, :]
        best = min(errors(given, code * given.scale).item() for code in codes)
        lost.append([errors(given, made(given) * given.scale).item() / best for made in (nearest, gptq)])
    by_nearest, by_gptq = np.transpose(lost)
    print(by_nearest, by_gptq)
    assert (by_gptq >= 1 - 1e-6).all()
    assert np.mean(by_gptq) < 1.05 < 1.4 < np.mean(by_nearest)


def test_blocks_do_not_change_what_gptq_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    given = problem(terms=30)
    whole = gptq(given)
    monkeypatch.setattr(sys.modules["bitwright.compress.round.gptq"], "BLOCK", 7)
    np.testing.assert_array_equal(gptq(given), whole)


def test_what_a_layer_never_meets_stays_as_it_is() -> None:
    given = problem()
    dead = replace(given, inputs=given.inputs * 0, outputs=given.outputs * 0)
    np.testing.assert_array_equal(gptq(dead), nearest(dead))


def wrong(given: Problem, codes: np.ndarray) -> float:
    """The squared error of codes behind the layer."""
    made = given.behind((codes * given.scale) @ given.inputs)
    return float(((made - given.behind(given.outputs)) ** 2).sum())


def test_learnt_rounding_loses_less_than_the_nearest_codes_and_is_the_same_every_time() -> None:
    for seed in range(2):
        given = problem(outputs=4, terms=12, columns=2000, seed=seed)
        codes = adaround(given)
        assert wrong(given, codes) < 0.9 * wrong(given, nearest(given))
        np.testing.assert_array_equal(adaround(given), codes)
        assert np.abs(codes - matched(given) / given.scale)[np.abs(codes) < 3].max() <= 1 + 1e-5  # up or down


def test_learnt_rounding_looks_behind_the_relu() -> None:
    """Where most of an output is dropped, what is left is made right."""
    plain = replace(problem(outputs=4, terms=12, columns=2000), offset=np.float32([[[-1.5]]]))
    bent = replace(plain, rectified=True)
    assert wrong(bent, adaround(bent)) < 0.9 * wrong(bent, adaround(plain))


def test_learnt_rounding_needs_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BitwrightError) as refusal:
        adaround(problem())
    wanted = "rounding 'adaround': PyTorch is not installed\n  hint: pip install 'bitwright[torch]'"
    assert str(refusal.value) == wanted


def test_matrices_that_take_too_much_memory_are_refused_before_they_are_made() -> None:
    columns = np.zeros((1, 30_000, 1), np.float32)
    wide = np.broadcast_to(np.float32(1), (1, 2, 30_000))
    given = replace(problem(), weight=wide, inputs=columns, where="net: layer 'fc'")
    with pytest.raises(BitwrightError) as refusal:
        gptq(given)
    assert str(refusal.value) == (
        "net: layer 'fc': adds up 30000 terms: matrices of them take 6.7 GiB\n"
        "  hint: give this layer rounding 'nearest', which needs none"
    )
