# SPDX-License-Identifier: Apache-2.0
"""The quantisers that are trained: what each is by its paper, against brute force, closed forms and differences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from bitwright.compress.torch import ACTIVATIONS, BITS, QUANTISERS  # noqa: E402
from bitwright.compress.torch.bases import Fgq, on_grid  # noqa: E402
from bitwright.compress.torch.levels import STEEPEST, five_levels, three_levels  # noqa: E402
from bitwright.compress.torch.relaxed import relaxed, shifts  # noqa: E402
from bitwright.ir.errors import BitwrightError  # noqa: E402
from bitwright.ir.types import BIPOLAR, IntType, integer  # noqa: E402
from tests.needs import needs_package  # noqa: E402

pytestmark = needs_package("torch")
NARROW = integer(3, signed=True, narrow=True)
ONE = torch.ones(1, 1)
SUMS = ("abc", "fgq", "residual", "ttq")


def normal(*shape: int, seed: int = 0, spread: float = 1.0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32)).requires_grad_()


def made(name: str, x: Any, bits: int | None = None, *, scale: float = 0.3, po2: bool = False) -> Any:
    """A quantiser of weights, by its name, with a scale for each row."""
    bits = BITS.get(name, bits or 3)
    kind = integer(bits, signed=True, narrow=True) if bits > 1 else BIPOLAR
    return QUANTISERS[name](x, kind, torch.full((len(x), 1), scale), po2=po2)


def act(name: str, x: Any, kind: IntType, scale: float, *, po2: bool = False) -> Any:
    return ACTIVATIONS[name](x, kind, torch.full((1, 1), scale), po2=po2)


def slopes(f: Callable[[], Any], x: Any) -> Any:
    (found,) = torch.autograd.grad(f(), x)
    return found.numpy()


def differences(f: Callable[[], Any], x: Any, step: float = 1e-3) -> Any:
    """The slopes of `f` at each element of `x`, from both sides."""
    found = np.zeros(x.numel())
    flat = x.detach().reshape(-1)
    for place in range(x.numel()):
        was = float(flat[place])
        ends = []
        for sign in (1, -1):
            flat[place] = was + sign * step
            ends.append(float(f().detach()))
        flat[place] = was
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found.reshape(x.shape)


@pytest.mark.parametrize("po2", [False, True])
@pytest.mark.parametrize("name", sorted(QUANTISERS))
def test_codes_are_whole_numbers_of_their_types(name: str, po2: bool) -> None:
    x = normal(5, 18)
    for bits in (3, 4, 5) if name not in BITS else (BITS[name],):
        quantiser = made(name, x, bits, po2=po2).eval()
        bases = quantiser.bases(x)
        assert len(bases) == len(quantiser.types)
        for (codes, scale), kind in zip(bases, quantiser.types, strict=True):
            held = codes.detach().numpy()
            assert codes.shape == x.shape and scale.shape in ((5, 1), (1, 1)) and (scale > 0).all()
            assert (held == np.rint(held)).all() and held.min() >= kind.lo and held.max() <= kind.hi
            assert ((held - kind.lo) % kind.step == 0).all()
            whole = np.frexp(scale.detach().numpy())[0] * (256 if name in SUMS else 2)
            assert not po2 or (whole == np.rint(whole)).all()
        value = sum(codes * scale for codes, scale in bases)
        np.testing.assert_array_equal(quantiser(x).detach().numpy(), value.detach().numpy())
        quantiser.train()(x).sum().backward()
        assert torch.isfinite(x.grad).all() and x.grad.any()
        if name not in ("atoms", "bwn", "dorefa", "hashed", "inq", "relax", "ternary", "xnor"):
            assert ((value - x) ** 2).mean() < 0.4


@pytest.mark.parametrize("po2", [False, True])
@pytest.mark.parametrize("name", sorted(QUANTISERS))
def test_a_row_of_zeros_has_no_small_scale(name: str, po2: bool) -> None:
    x = normal(3, 18).detach()
    x[1] = 0
    quantiser = made(name, x, po2=po2).eval()
    assert all(basis.scale.min() > 2**-9 for basis in quantiser.bases(x))
    assert (
        any(0 not in kind for kind in quantiser.types)
        or name in ("atoms", "dorefa", "hashed")
        or not quantiser(x)[1].any()
    )


# --- one function, uniform codes


@pytest.mark.rows("R021")
def test_pact_clips_and_learns_its_limit_from_what_is_beyond() -> None:
    x = normal(1, 200, spread=2)
    pact = act("pact", x, integer(3, signed=False), 0.4)
    np.testing.assert_array_equal(pact(x).detach(), 0.4 * (x / 0.4).round().clamp(0, 7).detach())
    weight = normal(1, 200, seed=1).detach()
    limit = pact.limit
    clipped = slopes(lambda: (torch.minimum(x.clamp(min=0), limit) * weight).sum(), limit)
    np.testing.assert_allclose(slopes(lambda: (pact(x) * weight).sum(), limit), clipped, rtol=1e-5)
    np.testing.assert_allclose(clipped, (weight * (x > limit)).sum().detach(), rtol=1e-5)
    inside = ((x > 0) & (x < limit)).detach()
    np.testing.assert_allclose(slopes(lambda: (pact(x) * weight).sum(), x), weight * inside, rtol=1e-5, atol=1e-7)
    wide = act("pact", x, integer(16, signed=False), 1e4 / 65535)
    np.testing.assert_allclose(wide(x).detach(), x.detach().relu(), atol=0.08)


def test_signed_activations_end_at_both_sides() -> None:
    x = torch.tensor([[-9.0, -0.6, 0.2, 9.0]])
    for name in ("pact", "dorefa"):
        quantiser = act(name, x, integer(3, signed=True), 0.5, po2=True)
        assert quantiser(x).tolist() == [[-2, -0.5, 0, 1.5]]
        quantiser.zero.fill_(-1)
        assert quantiser(x).tolist() == [[-1.5, -0.5, 0, 2]]


@pytest.mark.rows("R020")
def test_dorefa_has_all_levels_at_equal_distance() -> None:
    x = normal(2, 4000, spread=0.3)
    for bits in (2, 3, 4):
        quantiser = made("dorefa", x, bits)
        ((codes, scale),) = quantiser.bases(x)
        top = 2**bits - 1
        assert sorted(set(codes.detach().reshape(-1).tolist())) == list(range(-top, top + 1, 2))
        bent = np.tanh(x.detach().numpy())
        most = np.abs(bent).max(1, keepdims=True)
        wanted = 2 * np.rint(top * (bent / (2 * most) + 0.5)) - top  # the paper's, of a range of 1
        assert (codes.detach().numpy() != wanted).mean() < 1e-3  # a tie that float32 sees elsewhere
        np.testing.assert_allclose(scale.detach() * top, np.abs(x.detach().numpy()).max(1, keepdims=True), rtol=1e-6)
    one = made("dorefa", x, 1)
    assert one.types == (BIPOLAR,)
    np.testing.assert_allclose(one(x).detach(), x.sign().detach() * x.abs().mean(1, keepdim=True).detach(), rtol=1e-6)


def test_the_gradient_of_dorefa_is_that_of_the_function_before_rounding() -> None:
    x = normal(2, 9)
    quantiser, weight = made("dorefa", x, 3), normal(2, 9, seed=1).detach()

    def smooth() -> Any:
        bent = torch.tanh(x)
        return (weight * 7 * quantiser.scale * bent / bent.abs().amax(1, keepdim=True)).sum()

    for of in (x, quantiser.scale):
        found = slopes(lambda: (quantiser(x) * weight).sum(), of)
        np.testing.assert_allclose(found, slopes(smooth, of), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found, differences(smooth, of), rtol=0.02, atol=0.02)


@pytest.mark.rows("R022")
def test_qil_starts_uniform_and_learns_its_interval() -> None:
    x = normal(3, 50)
    qil, lsq = made("qil", x, 4, scale=0.25), made("lsq", x, 4, scale=0.25)
    np.testing.assert_array_equal(qil(x).detach(), lsq(x).detach())
    with torch.no_grad():
        qil.centre.fill_(0.9)
        qil.radius.fill_(0.5)
        qil.power.fill_(1.5)
    ends = torch.tensor([[0.4 - 1e-5, 0.4 + 1e-5, 1.4 - 1e-5, 1.4 + 1e-5, -0.39, -1.41]]).repeat(3, 1)
    np.testing.assert_allclose(qil.transformed(ends).detach(), [[0, 0, 1, 1, 0, -1]] * 3, atol=1e-4)
    weight = normal(3, 50, seed=1).detach()

    def smooth() -> Any:
        place = ((x.abs() - qil.centre) / (2 * qil.radius) + 0.5).clamp(0, 1)
        return (weight * 7 * qil.scale * x.sign() * place**qil.power).sum()

    for of in (qil.centre, qil.radius, qil.power, qil.scale):
        found = slopes(lambda: (qil(x) * weight).sum(), of)
        np.testing.assert_allclose(found, differences(smooth, of), rtol=0.03, atol=0.05)


# --- powers of two


@pytest.mark.rows("R023")
def test_inq_takes_the_sizes_of_its_paper() -> None:
    x = normal(4, 300)
    for bits in (3, 4, 5):
        quantiser = QUANTISERS["inq"](x, integer(bits, signed=True, narrow=True), ONE, po2=False).eval()
        most = float(x.detach().abs().max())
        n1 = int(np.floor(np.log2(4 * most / 3)))
        n2 = n1 + 1 - 2 ** (bits - 2)
        sizes = [0.0, *(2.0**n for n in range(n2, n1 + 1))]
        wanted = np.zeros(x.shape)
        values = x.detach().numpy()
        for low, high in pairwise(sizes):
            wanted[(np.abs(values) >= (low + high) / 2) & (np.abs(values) < 3 * high / 2)] = high
        np.testing.assert_array_equal(quantiser(x).detach().numpy(), wanted * np.sign(values))
    with pytest.raises(BitwrightError) as error:
        made("inq", x, 2)
    assert str(error.value) == "quantiser 'inq': has no powers of two at 2 bits\n  hint: give it 3 to 6 bits"


def test_inq_freezes_the_largest_weights_first_for_good() -> None:
    x = normal(6, 40)
    quantiser = made("inq", x, 4)
    np.testing.assert_allclose(quantiser(x).detach(), x.detach(), rtol=1e-6)  # nothing is frozen yet
    sizes, held = np.sort(np.abs(x.detach().numpy()).reshape(-1)), quantiser.eval()(x).detach().numpy()
    quantiser.train()
    optimiser = torch.optim.SGD([x], lr=0.5)
    for step in range(40):
        quantiser.advance(step / 40)
        optimiser.zero_grad()
        ((quantiser(x) - 0.7) ** 2).sum().backward()
        if step == 0:
            still = quantiser.frozen.clone()
            np.testing.assert_array_equal(still.numpy(), np.abs(x.detach().numpy()) >= sizes[120])
            assert not x.grad[still].any() and x.grad[~still].all()
        optimiser.step()
        assert quantiser.frozen.float().mean() == (0.5, 0.75, 0.875, 1)[step // 10]
    np.testing.assert_array_equal(quantiser(x).detach().numpy()[still.numpy()], held[still.numpy()])
    np.testing.assert_array_equal(quantiser(x).detach(), quantiser.eval()(x).detach())


# --- signs and three levels


@pytest.mark.rows("R036")
def test_signs_have_the_best_scale() -> None:
    x = normal(3, 8)
    value = made("bwn", x)(x).detach().numpy()
    for row, found in zip(x.detach().numpy(), value, strict=True):
        least = min(
            ((row - scale * signs) ** 2).sum()
            for signs in (np.array([1 if n >> k & 1 else -1 for k in range(8)]) for n in range(256))
            for scale in [max(float(row @ signs) / 8, 0)]
        )
        np.testing.assert_allclose(((row - found) ** 2).sum(), least, rtol=1e-5)
    wide = normal(1, 200_000)
    left = wide - made("bwn", wide)(wide)
    np.testing.assert_allclose((left**2).mean().item(), 1 - 2 / np.pi, rtol=0.01)


def test_the_gradient_of_signs_is_that_of_their_paper() -> None:
    x, g = normal(2, 9), normal(2, 9, seed=1).detach()
    found = slopes(lambda: (made("bwn", x)(x) * g).sum(), x)
    mean, signs = x.abs().mean(1, keepdim=True).detach(), x.detach().sign()
    wanted = g * mean * (x.detach().abs() <= 1) + signs * (g * signs).sum(1, keepdim=True) / 9
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.rows("R030", "R031")
def test_a_product_of_signs_counts_those_that_agree() -> None:
    weight, x = normal(4, 64), normal(1, 64, seed=2)
    ((signs, scale),) = made("xnor", weight).bases(weight)
    ((inputs, size),) = act("xnor", x, integer(1, signed=True), 1.0).bases(x)
    agree = (signs == inputs).sum(1)
    made_of = (signs * scale) @ (inputs * size).T
    np.testing.assert_allclose(made_of.detach()[:, 0], ((2 * agree - 64) * scale[:, 0] * size[0]).detach(), rtol=1e-4)
    np.testing.assert_allclose(size.detach(), x.abs().mean(1, keepdim=True).detach(), rtol=1e-6)


def test_activations_never_below_zero_are_0_or_1() -> None:
    x = torch.tensor([[0.0, 0.9, 1.1, 5.0]])
    quantiser = act("xnor", x, integer(1, signed=False), 2.0)
    assert quantiser.types == (IntType(0, 1),) and quantiser(x).tolist() == [[0, 0, 2, 2]]


@pytest.mark.rows("R037")
def test_three_levels_are_the_best_of_all() -> None:
    x = normal(3, 10).detach()
    codes, scale = three_levels(x)
    for row, found in zip(x.numpy(), (codes * scale).numpy(), strict=True):
        least = min(
            ((row - value) ** 2).sum()
            for count in range(1, 11)
            for kept in map(list, combinations(range(10), count))
            for value in [np.where(np.isin(np.arange(10), kept), np.sign(row) * np.abs(row[kept]).mean(), 0)]
        )
        np.testing.assert_allclose(((row - found) ** 2).sum(), least, rtol=1e-5)
    draw = np.random.default_rng(3)
    for sample, ratio in ((draw.normal(size=400_000), 0.7670), (draw.uniform(-1, 1, 400_000), 2 / 3)):
        wide = torch.from_numpy(sample)[None]
        codes, _ = three_levels(wide)
        threshold = wide.abs()[codes != 0].min()
        np.testing.assert_allclose(float(threshold / wide.abs().mean()), ratio, rtol=0.02)
    zeros, scale = three_levels(torch.zeros(1, 4))
    assert not zeros.any() and not scale.any()


def test_a_scale_for_all_rows_is_found_over_all() -> None:
    x = normal(3, 10)
    for name in ("bwn", "twn"):
        shared = QUANTISERS[name](x, BIPOLAR, ONE, po2=False)
        one = made(name, x.reshape(1, -1))
        assert shared.bases(x)[0].scale.shape == (1, 1)
        np.testing.assert_array_equal(shared(x).detach().reshape(1, -1), one(x.reshape(1, -1)).detach())


@pytest.mark.rows("R032")
def test_ttq_learns_its_two_levels() -> None:
    x, g = normal(2, 30), normal(2, 30, seed=1).detach()
    slope = g.numpy()
    quantiser = made("ttq", x)
    above, below = (side.numpy() for side in quantiser.sides(x))
    assert (above.sum(), below.sum(), (~above & ~below).sum()) == (29, 27, 4)
    for of, side, sign in ((quantiser.above, above, 1), (quantiser.below, below, -1)):
        wanted = np.abs(x.detach().numpy() * side).sum(1, keepdims=True) / side.sum(1)[:, None]
        np.testing.assert_allclose(of.detach(), wanted, rtol=1e-6)
        found = slopes(lambda: (quantiser(x) * g).sum(), of)
        np.testing.assert_allclose(found, sign * (slope * side).sum(1, keepdims=True), rtol=1e-4, atol=1e-5)
    (_, high), (_, low) = quantiser.bases(x)
    high, low = high.detach().numpy(), low.detach().numpy()
    wanted = slope * (above * high + below * low + ~(above | below))
    np.testing.assert_allclose(slopes(lambda: (quantiser(x) * g).sum(), x), wanted, rtol=1e-4)
    np.testing.assert_allclose(high, quantiser.above.detach(), rtol=1 / 256)


def test_ttq_with_equal_levels_is_ternary() -> None:
    x = normal(2, 30)
    quantiser = made("ttq", x)
    with torch.no_grad():
        quantiser.above.fill_(0.75)
        quantiser.below.fill_(0.75)
    threshold = 0.05 * x.detach().abs().max()
    wanted = 0.75 * x.detach().sign() * (x.detach().abs() > threshold)
    np.testing.assert_array_equal(quantiser(x).detach(), wanted)


# --- sums


@pytest.mark.rows("R035")
def test_signs_of_what_is_left_lessen_the_error_as_in_closed_form() -> None:
    x = normal(1, 200_000)
    for bits, error in enumerate((0.364, 0.131, 0.059, 0.033, 0.023), 1):
        kind = integer(bits, signed=True)
        quantiser = QUANTISERS["residual"](x, kind, ONE, po2=False)
        assert quantiser.types == (BIPOLAR,) * bits
        np.testing.assert_allclose(((quantiser(x) - x) ** 2).mean().item(), error, atol=0.002)
    assert slopes(lambda: quantiser(x).sum(), x).all()
    scales = [float(basis.scale.detach()) for basis in quantiser.bases(x)]
    np.testing.assert_allclose(scales, [0.798, 0.483, 0.269, 0.160, 0.102], atol=0.006)


@pytest.mark.rows("R033")
def test_smaller_groups_leave_less() -> None:
    x, kind = normal(4, 16), integer(2, signed=True, narrow=True)
    errors = []
    for group in (1, 2, 4, 8, 16):
        quantiser = Fgq(x, kind, ONE, po2=False, group=group)
        bases = quantiser.bases(x)
        assert len(bases) == 16 // group
        for place, (codes, _) in enumerate(bases):
            outside = np.delete(codes.detach().numpy(), slice(place * group, (place + 1) * group), axis=1)
            assert not outside.any()
        errors.append(float(((quantiser(x) - x) ** 2).mean().detach()))
    assert errors == sorted(errors) and errors[0] < 2e-4
    np.testing.assert_allclose(slopes(lambda: quantiser(x).sum(), x), 1, rtol=1e-6)
    whole = made("twn", x)(x)
    np.testing.assert_allclose(Fgq(x, kind, ONE, po2=False)(x).detach(), whole.detach(), rtol=1 / 256)
    assert len(made("fgq", normal(1, 1025)).types) == 16
    with pytest.raises(BitwrightError) as error:
        Fgq(normal(1, 100), kind, ONE, po2=False, group=4)
    hint = "16 is the limit; give groups of 7 terms or more"
    assert str(error.value) == f"quantiser 'fgq': makes 25 layers of one with 100 terms\n  hint: {hint}"


def test_scales_of_a_row_share_a_grid() -> None:
    first, second = (torch.rand(50, 1, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    one, other = on_grid([first, second])
    _, exponent = np.frexp(np.maximum(first.numpy(), second.numpy()))
    unit = 2.0 ** (exponent - 8)
    for found, wanted in ((one, first), (other, second)):
        whole = found.numpy() / unit
        assert (whole == np.rint(whole)).all() and whole.min() >= 1 and whole.max() <= 256
        assert (np.abs(found.numpy() - wanted.numpy()) <= np.maximum(unit / 2, unit * (whole == 1))).all()


@pytest.mark.parametrize("name", ["qil", "pact", "dorefa"])
def test_what_has_no_signs_says_so(name: str) -> None:
    factory = (ACTIVATIONS if name in ACTIVATIONS else QUANTISERS)[name]
    with pytest.raises(BitwrightError) as error:
        factory(normal(1, 4), BIPOLAR, ONE, po2=False)
    assert str(error.value) == f"quantiser '{name}': has no signs\n  hint: give it 2 bits or more"


# --- drawn to their levels, thinned out, moved signs


@pytest.mark.rows("R026")
def test_a_relaxed_weight_is_between_itself_and_its_signs() -> None:
    x = normal(4, 9).detach()
    signs = torch.where(x >= 0, 1.0, -1.0)
    assert torch.equal(relaxed(x, signs, 0.0), x)
    torch.testing.assert_close(relaxed(x, signs, 1e9), signs)
    quantiser, away = made("relax", x).train(), []
    for t in (0.0, 0.2, 0.4, 0.6, 0.79, 0.8):
        quantiser.advance(t)
        ((codes, _),) = quantiser.bases(x)
        away.append(float((codes - signs).norm()))
    assert away == sorted(away, reverse=True) and away[-1] == 0 < away[-2]


@pytest.mark.rows("R027")
def test_multipliers_bring_weights_to_the_best_powers_of_two() -> None:
    """Of eight weights the size is that of the best of all levels, and descent ends on them."""
    for seed in range(5):
        x = normal(1, 8, seed=seed).detach()
        codes, size = shifts(x, 4, shared=False)
        assert set(codes.abs().flatten().tolist()) <= {0, 1, 2, 4}
        found = float((x - codes * size).square().sum())
        grid = torch.linspace(0.02, 1.5, 3000)[:, None] * float(x.abs().max()) / 2
        nearest = torch.tensor([-4.0, -2, -1, 0, 1, 2, 4])
        tried = (x[0, :, None, None] - grid[:, 0][:, None] * nearest).square().amin(dim=2).sum(dim=0)
        assert found <= 1.0001 * float(tried.min()) + 1e-6
    quantiser, weight = made("admm", normal(2, 12, seed=9).detach(), 4).train(), normal(2, 12, seed=9)
    aim = weight.detach().clone()
    for step in range(3000):
        quantiser.advance(step / 3000)
        ((codes, scale),) = quantiser.bases(weight)
        loss = (codes * scale - aim).square().sum()
        (slope,) = torch.autograd.grad(loss, weight)
        weight.data -= 0.02 * slope
    ((codes, scale),) = quantiser.eval().bases(weight)
    assert float(((weight - codes * scale).norm() / weight.norm()).detach()) < 0.05


@pytest.mark.rows("R025")
def test_the_range_of_sawb_follows_the_weight_and_has_no_gradient() -> None:
    x = normal(3, 400)
    quantiser = made("sawb", x, 4)
    ((codes, scale),) = quantiser.bases(x)
    assert not scale.requires_grad and not list(quantiser.parameters())
    wanted = (12.035 * x.square().mean(dim=1).sqrt() - 12.03 * x.abs().mean(dim=1)) / 7
    torch.testing.assert_close(scale[:, 0], wanted.detach())
    assert torch.equal(quantiser.bases(2 * x)[0].scale, 2 * scale)
    (slope,) = torch.autograd.grad((codes * scale).sum(), x)
    inside = (x.abs() < 7 * scale).detach()
    torch.testing.assert_close(slope, inside.to(slope.dtype))


@pytest.mark.rows("R028")
def test_what_is_thinned_out_is_zero_and_quantising_first_would_lose_more() -> None:
    for seed in range(10):
        x = normal(4, 60, seed=seed).detach()
        quantiser = made("thinned", x, 3)
        kept = quantiser.kept(x)
        codes, scale = (each.detach() for each in quantiser.bases(x)[0])
        assert not codes[kept == 0].any() and 0.5 < float((kept == 0).float().mean()) < 0.8
        whole = ((x / scale).round().clamp(-3, 3) * scale).flatten()
        whole[whole.abs().argsort(stable=True)[: int((kept == 0).sum())]] = 0  # as many of the codes' smallest
        assert float((x - codes * scale).square().sum()) <= float((x.flatten() - whole).square().sum()) + 1e-4


def test_a_thinned_weight_passes_its_gradient_and_its_scale_is_learnt() -> None:
    x, wanted = normal(4, 60, seed=3), normal(4, 60, seed=4).detach()
    quantiser = made("thinned", x.detach(), 3)
    ((codes, scale),) = quantiser.bases(x)
    by_x, by_scale = torch.autograd.grad((codes * scale * wanted).sum(), (x, quantiser.scale))
    torch.testing.assert_close(by_x, wanted)
    off = (codes - x / scale) * quantiser.kept(x)
    torch.testing.assert_close(by_scale, (off * wanted).sum(dim=1, keepdim=True).detach())
    assert by_scale.abs().min() > 0


@pytest.mark.rows("R029")
def test_a_steep_tangent_is_a_sign_and_its_gradient_is_bounded() -> None:
    x = normal(1, 50)
    quantiser = act("tanh", x, BIPOLAR, 1.0)
    for t in (0.0, 1.0):
        quantiser.advance(t)
        ((codes, _),) = quantiser.bases(x)
        assert torch.equal(codes, torch.where(x >= 0, 1.0, -1.0))
        (slope,) = torch.autograd.grad(codes.sum(), x)
        most = STEEPEST**t / float(quantiser.scale.detach())
        assert (slope >= 0).all() and (slope <= most * 1.001).all()
    torch.testing.assert_close(torch.tanh(STEEPEST**4 * torch.tensor([-0.3, 0.3])), torch.tensor([-1.0, 1.0]))


@pytest.mark.rows("R034")
def test_moved_signs_have_the_sizes_of_least_squares_and_more_leave_less() -> None:
    x, lost = normal(4, 200).detach(), []
    for count in (1, 2, 3, 5):
        quantiser = made("abc", x, count)
        signs, sizes = quantiser.fitted(x)
        left = x - sum(sign * size for sign, size in zip(signs, sizes, strict=True))
        for sign in signs:
            np.testing.assert_allclose((left * sign).sum(dim=1), 0, atol=1e-3)
        lost.append(float(left.square().sum()))
        assert float((quantiser(x) - (x - left)).abs().max()) < 0.02
    assert lost[1] < lost[0] and lost[3] < lost[2] < lost[1]


@pytest.mark.rows("R038")
def test_five_levels_are_the_best_of_all_and_better_than_three() -> None:
    for seed in range(6):
        x = normal(1, 10, seed=seed).detach()
        codes, size = five_levels(x)
        found = float((x - codes * size).square().sum())
        sizes = torch.linspace(0.01, 1.5, 20_000)[:, None] * float(x.abs().max())
        every = (x - sizes * (x / sizes).round().clamp(-2, 2)).square().sum(dim=1)
        assert found <= float(every.min()) * 1.0001 + 1e-6
        three, mean = three_levels(x)
        assert found < float((x - three * mean).square().sum())
