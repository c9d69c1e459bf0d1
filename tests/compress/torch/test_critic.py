# SPDX-License-Identifier: Apache-2.0
"""What is learnt from a critic: one that stays as it is, and one that learns to tell networks apart."""

from __future__ import annotations

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import FloatNet, fit, float_net, outputs_of, trainable
from tests.compress.nets import graph, node, normal
from tests.compress.torch.test_gates import X, Y, signal
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.contest import Adversarial, fista  # noqa: E402
from bitwright.compress.torch.critic import Critic, frozen  # noqa: E402
from bitwright.compress.torch.gated import Gated, learnt  # noqa: E402

pytestmark = needs_package("torch")


def generator() -> FloatNet:
    """From eight numbers to an image, by transposed convolutions."""
    constants = {
        "a": normal(16, 8) / 3, "p": normal(16, seed=1) / 3, "s": np.array([0, 4, 2, 2], np.int64),
        "b": normal(4, 6, 3, 3, seed=2) / 4, "q": normal(6, seed=3) / 4, "c": normal(6, 1, 2, 2, seed=4) / 3,
    }  # fmt: skip
    nodes = [
        *(node("Gemm", "x a p", "h", transB=1), node("Relu", "h", "i"), node("Reshape", "i s", "j")),
        *(node("ConvTranspose", "j b q", "k", strides=[2, 2]), node("Relu", "k", "l")),
        node("ConvTranspose", "l c", "y"),
    ]
    return float_net(graph(nodes, constants, sample=[8]))


@pytest.mark.rows("R157")
def test_a_generator_of_few_bits_learns_from_its_critic_which_stays_as_it_is() -> None:
    net, x = generator(), normal(192, 8, seed=5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    before = [parameter.detach().clone() for parameter in judge.parameters()]
    wanted = outputs_of(net, [x])[0]
    said = judge(torch.from_numpy(wanted)).detach()

    def missed(module: object) -> tuple[float, float]:
        assert isinstance(module, torch.nn.Module)
        with torch.no_grad():
            made = module(torch.from_numpy(x)).float()
            judged = float((judge(made) - said).square().mean() / said.var())
        return float(np.square(made.numpy() - wanted).mean() / wanted.var()), judged

    module = trainable(net, weights="lsq:3", activations="lsq:4", scale="po2", calibration=x)
    first = missed(module)
    critic = Critic(module, judge)
    fit(module, x, epochs=25, lr=1e-2, aids=[critic])
    after = missed(module)
    assert after[0] < 0.9 * first[0] and after[1] < 0.6 * first[1]
    assert isinstance(critic.judge, torch.nn.Module)
    for parameter, held, was in zip(judge.parameters(), critic.judge.parameters(), before, strict=True):
        assert parameter.requires_grad and parameter.grad is None and not held.requires_grad
        assert torch.equal(parameter, was) and torch.equal(held, was)
    made = bw.run(bw.load(module.state().onnx()), x, engine="reference")
    with torch.no_grad():
        np.testing.assert_array_equal(made, module(torch.from_numpy(x)).numpy())


def test_without_a_critic_it_is_the_soft_maximum() -> None:
    critic = Critic(trainable(signal()))
    x = torch.from_numpy(normal(5, 4))
    torch.testing.assert_close(critic.judge(x), x.log_softmax(dim=1))
    assert float(critic(x, x, None, {})) == 0 and frozen(torch.sin) is torch.sin


@pytest.mark.rows("R095")
def test_accelerated_shrinkage_ends_at_the_minimum_and_is_sooner_there() -> None:
    draw = torch.Generator().manual_seed(0)
    rows, wanted = torch.randn(40, 12, generator=draw).double(), torch.randn(40, generator=draw).double()
    straight, _ = torch.linalg.qr(rows)
    by = 0.2
    for matrix in (straight, rows):
        rate = 1 / float(torch.linalg.matrix_norm(matrix, 2) ** 2)
        x = ahead = plain = torch.zeros(12).double()
        momentum, lost = 1.0, []
        for _ in range(200):
            x, ahead, momentum = fista(x, ahead, matrix.T @ (matrix @ ahead - wanted), rate, rate * by, momentum)
            plain, _, _ = fista(plain, plain, matrix.T @ (matrix @ plain - wanted), rate, rate * by, 1.0)
            lost.append(
                [float(((matrix @ each - wanted) ** 2).sum() / 2 + by * each.abs().sum()) for each in (x, plain)]
            )
        slope = matrix.T @ (matrix @ x - wanted)
        assert (slope.abs() <= by + 1e-6).all()
        torch.testing.assert_close(slope[x != 0], -by * x[x != 0].sign(), atol=1e-5, rtol=0)
        if matrix is straight:
            closed = (straight.T @ wanted).sign() * ((straight.T @ wanted).abs() - by).clamp_min(0)
            torch.testing.assert_close(x, closed)
        else:
            assert lost[20][0] - lost[-1][0] < (lost[20][1] - lost[-1][0]) / 2


@pytest.mark.rows("R095")
def test_a_block_whose_factors_are_zero_is_its_way_past() -> None:
    constants = {"a": normal(4, 4, 3, 3), "b": normal(4, 4, 3, 3, seed=1), "d": normal(3, 64, seed=2)}
    nodes = [
        *(node("Conv", "x a", "h", pads=[1, 1, 1, 1]), node("Relu", "h", "r")),
        *(node("Conv", "r b", "i", pads=[1, 1, 1, 1]), node("Add", "i x", "s")),
        *(node("Flatten", "s", "f"), node("Gemm", "f d", "y", transB=1)),
    ]
    module, x = (
        Gated(float_net(graph(nodes, constants, sample=[4, 4, 4])), Adversarial).eval(),
        normal(6, 4, 4, 4, seed=3),
    )
    (gate,) = module.gates
    gate.before.zero_()
    with torch.no_grad():
        np.testing.assert_array_equal(
            module(torch.from_numpy(x)).numpy(), torch.from_numpy(x.reshape(6, -1)) @ torch.from_numpy(constants["d"].T)
        )
    gate.before.fill_(1)
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(x)), outputs_of(module.net, [x])[0], rtol=1e-4, atol=1e-4)


@pytest.mark.rows("R095")
def test_factors_are_learnt_from_the_whole_network_without_labels() -> None:
    mixed = np.random.default_rng(0).permutation(Y)
    found = [learnt(signal(), ([X], labels), Adversarial, 0.25, 30) for labels in (Y, mixed)]
    for one, other in zip(*(module.gates for module in found), strict=True):
        torch.testing.assert_close(one.before, other.before)
        assert (one.before == 0).any()
    made, first = outputs_of(found[0].float_net(), [X])[0], outputs_of(signal(), [X])[0]
    assert np.square(made - first).mean() < 0.1 * first.var()
