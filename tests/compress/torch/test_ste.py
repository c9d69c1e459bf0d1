# SPDX-License-Identifier: Apache-2.0
"""Straight through: values of the function to the last bit, gradients as they are documented, of second order too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright.compress.scales import SCALES

torch = pytest.importorskip("torch")
from bitwright.compress.torch import QUANTISERS  # noqa: E402
from bitwright.compress.torch.ste import (  # noqa: E402
    floor_ste,
    grad_scale,
    po2_ste,
    positive,
    round_ste,
    sign_ste,
)
from bitwright.ir.errors import BitwrightError  # noqa: E402
from bitwright.ir.types import BIPOLAR, integer  # noqa: E402
from tests.needs import needs_package  # noqa: E402

pytestmark = needs_package("torch")


def leaf(values: Any) -> Any:
    return torch.tensor(np.asarray(values, np.float32)).requires_grad_()


@pytest.mark.rows("R024")
def test_values_are_those_of_the_function_and_gradients_pass() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.standard_normal(999) * 3, [0.5, 1.5, -0.5, 2.5, 1e-30, -1e-30, 0.3]])
    x = leaf(values)
    for function, plain in ((round_ste, np.rint), (floor_ste, np.floor)):
        made = function(x)
        np.testing.assert_array_equal(made.detach().numpy(), plain(x.detach().numpy()))
        (slope,) = torch.autograd.grad(made.sum(), x)
        np.testing.assert_array_equal(slope.numpy(), 1)


def test_a_sign_passes_its_gradient_from_minus_one_to_one() -> None:
    x = leaf([-2, -1, -0.25, 0, 0.5, 3])
    made = sign_ste(x)
    assert made.tolist() == [-1, -1, -1, 1, 1, 1]
    made.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 0]


def test_gradients_have_gradients() -> None:
    x = leaf([0.3, 1.7])
    (first,) = torch.autograd.grad((round_ste(x) ** 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert first.tolist() == [0, 4] and second.tolist() == [2, 2]


def test_a_gradient_is_scaled_and_its_value_is_not() -> None:
    x = leaf([0.1, 7.3])
    made = grad_scale(x, 0.25)
    assert made.tolist() == x.tolist()
    made.sum().backward()
    assert x.grad.tolist() == [0.25, 0.25]


def test_powers_of_two_are_those_of_the_scale_rule() -> None:
    x = leaf(np.geomspace(1e-9, 1e9, 5001))
    made = po2_ste(x)
    np.testing.assert_array_equal(made.detach().numpy(), SCALES["po2"].near(x.detach().numpy()))
    made.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), (made / x).detach().numpy(), rtol=1e-6)  # d 2^e = 2^e ln 2 de


def test_a_scale_stays_above_zero() -> None:
    assert (positive(leaf([-1.0, 0.0, 3.0]), po2=False) > 0).all()
    assert positive(leaf([-1.0, 3.0]), po2=True).tolist() == [1, 4]


def test_lsq_has_the_gradients_of_its_paper() -> None:
    kind = integer(3, signed=True, narrow=True)
    x = leaf([[0.1, 0.26, -0.9, 0.74, -0.74]])
    lsq = QUANTISERS["lsq"](x, kind, torch.tensor([[0.25]]), po2=False)
    made = lsq(x)
    assert made.tolist() == [[0, 0.25, -0.75, 0.75, -0.75]]
    made.sum().backward()
    v = x.detach().numpy() / 0.25
    slopes = np.where(np.abs(v) < kind.hi, np.rint(v) - v, np.sign(v) * kind.hi)
    np.testing.assert_allclose(lsq.scale.grad.numpy(), slopes.sum() / np.sqrt(5 * 3), rtol=1e-5)
    assert x.grad.tolist() == [[1, 1, 0, 1, 1]]


def test_lsq_has_a_zero_point() -> None:
    x = leaf([[-0.5, 0.0, 3.0]])
    lsq = QUANTISERS["lsq"](x, integer(2, signed=False), torch.tensor([[0.5]]), po2=True)
    lsq.zero.fill_(1)
    ((codes, scale),) = lsq.bases(x)
    assert codes.tolist() == [[0, 1, 3]] and scale.tolist() == [[0.5]]
    assert lsq(x).tolist() == [[-0.5, 0, 1]]


def test_lsq_has_no_signs() -> None:
    with pytest.raises(BitwrightError) as error:
        QUANTISERS["lsq"](leaf([[1.0]]), BIPOLAR, torch.ones(1, 1), po2=False)
    assert str(error.value) == "quantiser 'lsq': has no signs\n  hint: give it 2 bits or more"
