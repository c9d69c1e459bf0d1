# SPDX-License-Identifier: Apache-2.0
"""Normalisations, mixtures, hashes, vectors that are shared: each against its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bitwright.compress import fit, outputs_of, trainable
from bitwright.compress.codes.vectors import LENGTH, assigned, clustered, shared_vectors
from tests.compress.nets import normal
from tests.compress.torch.test_fit import NET, X, Y
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.hashed import Hashed, places  # noqa: E402
from bitwright.compress.torch.mixture import Gathering, Mixture  # noqa: E402
from bitwright.compress.torch.norms import NORMS, L1Norm, RangeNorm  # noqa: E402
from bitwright.ir.types import integer  # noqa: E402

pytestmark = needs_package("torch")
Array = NDArray[Any]


@pytest.mark.rows("R016")
def test_the_mean_distance_of_a_normal_distribution_is_a_part_of_its_deviation() -> None:
    draws = torch.from_numpy(normal(1, 200_000))
    assert float(L1Norm(1).spread(draws - draws.mean())) == pytest.approx(math.sqrt(2 / math.pi), rel=5e-3)


@pytest.mark.rows("R017")
def test_the_range_over_its_root_comes_to_twice_the_deviation() -> None:
    for count, wanted in ((256, 1.69), (65_536, 1.82)):
        draws = torch.from_numpy(normal(40, count))
        assert float(RangeNorm(40).spread(draws).mean()) == pytest.approx(wanted, abs=0.04)
    x = torch.from_numpy(normal(32, 3, 4, 4))
    for kind in NORMS.values():
        torch.testing.assert_close(kind(3).train()(x), kind(3).train()(5 * x), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_is_folded_as_any_other_and_a_network_learns_with_it(name: str) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(6, 16), NORMS[name](16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-2)
    x, y = torch.from_numpy(X), torch.from_numpy(np.asarray(Y))
    for _ in range(150):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        optimiser.step()
    module.eval()
    wanted = module(x).detach().numpy()
    assert (wanted.argmax(axis=1) == np.asarray(Y)).mean() > 0.95
    net = trainable(module, x[:2]).float_net()
    np.testing.assert_allclose(outputs_of(net, [X])[0], wanted, rtol=1e-3, atol=1e-3)
    assert not any(node.op in ("Sqrt", "ReduceMean", "Abs") for node in net.nodes)


@pytest.mark.rows("R041")
def test_a_mixture_has_the_density_of_its_parts_and_finds_centres() -> None:
    values = torch.from_numpy(normal(30))
    mixture = Mixture(values, 4)
    means, spread, shares = (part.detach().numpy() for part in mixture.parts())
    density = sum(np.exp(s) * stats.norm.pdf(values.numpy()[:, None], m, d)[:, 0]
                  for m, d, s in zip(means, spread, shares, strict=True))  # fmt: skip
    assert float(mixture.cost(values).detach()) == pytest.approx(-np.log(density).sum(), rel=1e-4)
    assert np.exp(shares).sum() == pytest.approx(1)
    rng = np.random.default_rng(0)
    drawn = torch.from_numpy(np.concatenate([rng.normal(m, 0.03, 200) for m in (-1, 0, 0.7)]).astype(np.float32))
    found = Mixture(drawn, 4)
    optimiser = torch.optim.Adam(found.parameters(), lr=2e-2)
    for _ in range(400):
        optimiser.zero_grad()
        found.cost(drawn).backward()
        optimiser.step()
    held = found.gathered(drawn).detach().numpy()
    for wanted, part in zip((-1, 0, 0.7), np.split(held, 3), strict=True):
        assert np.median(part) == pytest.approx(wanted, abs=0.05)
    module = trainable(NET)
    aid = Gathering(module, 0.1)
    fit(module, (X, Y), epochs=40, lr=2e-2, aids=[aid])
    assert float((module.eval().logits(torch.from_numpy(X)).argmax(1).numpy() == np.asarray(Y)).mean()) > 0.7


@pytest.mark.rows("R042")
def test_a_hashed_weight_is_its_formula_and_a_slope_the_sum_of_its_bucket() -> None:
    x = torch.from_numpy(normal(4, 24)).requires_grad_()
    quantiser = Hashed(x.detach(), integer(8, signed=True, narrow=True), torch.full((4, 1), 0.1), po2=False)
    bucket, sign = places(4, 24, 12)
    assert quantiser.count == 12 and set(sign) == {-1.0, 1.0} and 0 <= bucket.min() <= bucket.max() < 12
    numbers = quantiser.numbers(x)
    value = quantiser(x)
    np.testing.assert_allclose(
        value.detach().numpy().ravel(), (numbers.detach().numpy()[bucket] * sign), atol=float(quantiser.scale.detach())
    )
    slopes = torch.from_numpy(normal(4, 24, seed=3))
    (found,) = torch.autograd.grad((value * slopes).sum(), [x])
    sums = np.bincount(bucket, slopes.numpy().ravel() * sign, 12)
    wanted = sign * (sums / np.maximum(np.bincount(bucket, minlength=12), 1))[bucket]
    np.testing.assert_allclose(found.numpy().ravel(), wanted, rtol=1e-4, atol=1e-5)
    big, _ = places(300, 400, 1000)
    counts = np.bincount(big, minlength=1000)
    assert counts.min() > 60 and counts.max() < 200  # of 120 in the mean


@pytest.mark.rows("R043")
def test_shared_vectors_are_few_and_all_of_them_are_the_codes() -> None:
    codes = np.random.default_rng(0).integers(-7, 8, (12, 18)).astype(np.int32)
    made = shared_vectors(codes, 8)
    pieces = np.pad(made, ((0, 0), (0, 2))).reshape(-1, LENGTH)
    assert len(np.unique(pieces, axis=0)) <= 8 + 8  # those at the end of rows are cut
    np.testing.assert_array_equal(shared_vectors(codes, 60), codes)
    x = normal(18, 5)
    table = np.unique(np.pad(made, ((0, 0), (0, 2))).reshape(-1, LENGTH), axis=0)
    looked = np.pad(x, ((0, 2), (0, 0))).reshape(-1, LENGTH, 5)
    products = np.einsum("kl,pln->kpn", table, looked)  # each activation times the table once
    index = np.array([[np.flatnonzero((table == piece).all(axis=1))[0] for piece in row]
                      for row in np.pad(made, ((0, 0), (0, 2))).reshape(12, -1, LENGTH)])  # fmt: skip
    got = np.array([[products[index[row, p], p] for p in range(5)] for row in range(12)]).sum(axis=1)
    np.testing.assert_allclose(got, made @ x, rtol=1e-4, atol=1e-4)


@pytest.mark.rows("R044")
def test_with_moments_the_outputs_err_less_and_each_step_is_no_worse() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(-7, 8, (24, 16)).astype(np.int32)
    x = rng.normal(size=(16, 300)) * np.linspace(0.1, 3, 16)[:, None]
    moments = x @ x.T / 300
    plain, made = shared_vectors(codes, 6), shared_vectors(codes, 6, moments)
    assert np.square((made - codes) @ x).sum() < np.square((plain - codes) @ x).sum()
    np.testing.assert_array_equal(shared_vectors(codes, 6, np.eye(16)), plain)
    points = codes.reshape(-1, LENGTH).astype(float)
    weights = np.tile(np.eye(LENGTH), (len(points), 1, 1))
    costs = []
    for rounds in range(1, 6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bitwright.compress.codes.vectors.ROUNDS", rounds)
            centres = clustered(points, weights, 6)
        costs.append(np.square(points - centres[assigned(points, weights, centres)]).sum())
    assert costs == sorted(costs, reverse=True)
