# SPDX-License-Identifier: Apache-2.0
"""Storage codes: what is packed comes back, in as many bits as is said; each against a bound, an oracle or by hand."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from bitwright.compress.codes import CODES, shared, sizes
from bitwright.compress.codes.canonical import Words, lengths_of
from bitwright.compress.codes.codebook import kmeans, nearest
from bitwright.compress.codes.packed import width_of
from bitwright.compress.codes.relative import Relative, entries
from bitwright.ir.errors import BitwrightError
from tests.needs import needs_package

Array = NDArray[np.int32]
RANGES = st.sampled_from([(0, 0), (-1, 1), (-7, 7), (0, 3), (-(2**31), 2**31 - 1)])


@st.composite
def weights(draw: st.DrawFn) -> Array:
    """Arrays of any shape, many of them mostly zeros."""
    low, high = draw(RANGES)
    shape = draw(st.one_of(st.just((0, 3)), array_shapes(max_dims=4, max_side=12)))
    found = draw(arrays(np.int32, shape, elements=st.integers(low, high), fill=st.just(draw(st.integers(low, high)))))
    rare = np.random.default_rng(draw(st.integers(0, 99))).random(shape) < draw(st.sampled_from([0.03, 0.3, 1.0]))
    return np.where(rare, found, 0).astype(np.int32)


@pytest.mark.parametrize("name", CODES)
@given(array=weights())
def test_what_is_packed_comes_back_in_as_many_bits_as_is_said(name: str, array: Array) -> None:
    code = CODES[name]()
    packed = code.encode(array)
    back = code.decode(packed)
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, array, strict=True)
    assert packed.bits == code.size(array.astype(np.int64).ravel())
    assert len(packed.data) == -(-packed.bits // 8)


@given(array=weights(), span=st.integers(0, 9))
def test_a_relative_index_of_any_span_comes_back(array: Array, span: int) -> None:
    code = Relative(span)
    np.testing.assert_array_equal(code.decode(code.encode(array)), array)
    assert code.encode(array).bits >= Relative().encode(array).bits


@pytest.mark.parametrize("name", CODES)
def test_other_integers_than_int32_are_refused(name: str) -> None:
    with pytest.raises(BitwrightError) as error:
        CODES[name]().encode(np.zeros(3, dtype=np.int64))  # type: ignore[arg-type]
    assert str(error.value) == "storage codes: an array of int64\n  hint: give codes as int32"


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60))
def test_huffman_is_less_than_a_bit_above_the_entropy(many: list[int]) -> None:
    counts = np.array(many, dtype=np.int64)
    share = counts / counts.sum()
    entropy = -(share * np.log2(share)).sum()
    mean = (share * lengths_of(counts)).sum()
    assert entropy - 1e-9 <= mean < entropy + 1
    assert counts.size == 1 or (0.5 ** lengths_of(counts)).sum() == 1


@pytest.mark.parametrize("seed", range(8))
def test_no_lengths_are_better_than_huffman_s(seed: int) -> None:
    """Of all lengths of five words that a prefix code can have (Kraft)."""
    counts = np.random.default_rng(seed).integers(1, 40, 5)
    best = min(counts @ np.array(all_) for all_ in product(range(1, 5), repeat=5) if sum(0.5**n for n in all_) <= 1)
    assert counts @ lengths_of(counts) == best


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40))
def test_words_are_in_canonical_order(many: list[int]) -> None:
    """Consecutive for one length, in the order of their numbers; those of the next one follow; none begins another."""
    words = Words.of(np.arange(len(many)) - 5, np.array(many))
    rows = list(zip(words.lengths.tolist(), words.numbers.tolist(), words.words.tolist(), strict=True))
    assert rows == sorted(rows) and rows[0][2] == 0
    for (length, _, word), (longer, _, following) in pairwise(rows):
        assert following == (word + 1) << (longer - length)
    texts = [f"{word:0{length}b}" for length, _, word in rows]
    assert not any(b.startswith(a) for a in texts for b in texts if a != b) and len({*texts}) == len(texts)


def test_a_stream_of_words_by_hand() -> None:
    """0 four times, 1 twice, -1 and 3 once: words 0, 10, 110, 111, in a table for a decoder that only compares."""
    packed = CODES["huffman"]().encode(np.array([0, 0, 1, -1, 0, 3, 1, 0], dtype=np.int32))
    width, count, longest = f"{3 - 1:06b}", f"{4:032b}", f"{3:06b}"
    of_length, numbers = f"{1:03b}{1:03b}{2:03b}", "000" + "001" + "111" + "011"
    wanted = width + count + longest + of_length + numbers + "0" + "0" + "10" + "110" + "0" + "111" + "10" + "0"
    assert "".join(f"{byte:08b}" for byte in packed.data)[: packed.bits] == wanted


def test_one_number_needs_no_words() -> None:
    array = np.full(1000, 7, dtype=np.int32)
    assert CODES["huffman"]().encode(array).bits == 6 + 32 + 6 + 4
    np.testing.assert_array_equal(CODES["huffman"]().decode(CODES["huffman"]().encode(array)), array)


def test_long_runs_of_zeros_are_padded() -> None:
    """A span of 2 bits counts 3 zeros; a fourth is written, and counts anew: Han et al., figure 2, with 3 for 8."""
    numbers = np.array([0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 5, *[0] * 8, 6, 0, 0, 0, 0], dtype=np.int64)
    gaps, values = entries(numbers, 2)
    assert gaps.tolist() == [1, 3, 3, 0, 3, 3, 0]
    assert values.tolist() == [3, 4, 0, 5, 0, 0, 6]
    assert Relative(2).size(numbers) == 43 + 7 * (2 + 4)


def test_zeros_at_the_end_take_no_bits() -> None:
    array = np.array([1, 2] + [0] * 1000, dtype=np.int32)
    assert Relative().encode(array).bits == Relative().encode(array[:2]).bits == 43 + 2 * 3


@pytest.mark.rows("R040")
def test_a_codebook_has_the_rate_of_its_paper() -> None:
    """Han et al., section 3: n weights of b bits that share k values take n log2(k) + k b bits."""
    array = np.random.default_rng(0).choice(np.array([-90, -3, 0, 100], dtype=np.int32), 500)
    assert CODES["codebook"]().encode(array).bits == 500 * 2 + 4 * 8 + 38


def test_sparse_weights_take_less_than_a_bit_each() -> None:
    rng = np.random.default_rng(0)
    array = np.rint(rng.normal(0, 2, 10000)).astype(np.int64).clip(-7, 7) * (rng.random(10000) < 0.1)
    found = sizes(array, 4)
    assert found.dense == 40000 and found.code == "sparse-huffman"
    assert found.coded < found.sparse < 10000 < CODES["huffman"]().size(array)
    assert found.coded == min(code().size(array) for code in CODES.values())


@pytest.mark.parametrize(
    ("numbers", "width"), [([], 1), ([0], 1), ([-1], 1), ([1], 2), ([-2, 1], 2), ([-3], 3), ([4], 4), ([-(2**31)], 32)]
)
def test_how_wide_a_table_is(numbers: list[int], width: int) -> None:
    assert width_of(np.array(numbers, dtype=np.int64)) == width


def points(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points on a line, and how often each is there."""
    rng = np.random.default_rng(seed)
    return np.unique(rng.integers(-100, 101, 60)).astype(np.float64), rng.integers(1, 9, 201).astype(np.float64)


def error_of(at: NDArray[np.float64], centres: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    return float(counts @ (at - centres[nearest(centres, at)]) ** 2)


@needs_package("sklearn")
@pytest.mark.parametrize("seed", range(4))
def test_k_means_comes_to_rest_where_scikit_learn_s_does(seed: int) -> None:
    from sklearn.cluster import KMeans

    at, counts = points(seed)
    counts = counts[: at.size]
    start = np.linspace(at.min(), at.max(), 8)
    theirs = KMeans(8, init=start[:, None], n_init=1, tol=0, algorithm="lloyd", max_iter=1000)
    theirs.fit(at[:, None], sample_weight=counts)
    np.testing.assert_allclose(kmeans(at, counts, 8), np.sort(theirs.cluster_centers_.ravel()), atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_k_means_is_never_better_than_the_best_and_never_worse_than_its_start(seed: int) -> None:
    """The best of all partitions of a line into runs is found by dynamic programming."""
    at, counts = points(seed)
    counts = counts[: at.size]
    cost = np.full((at.size + 1, at.size + 1), np.inf)
    for first in range(at.size):
        for last in range(first + 1, at.size + 1):
            run, weight = at[first:last], counts[first:last]
            cost[first, last] = weight @ (run - weight @ run / weight.sum()) ** 2
    best = cost[0]
    for _ in range(5):
        best = np.min(best[:, None] + cost, axis=0)
    found = kmeans(at, counts, 6)
    assert best[-1] - 1e-6 <= error_of(at, found, counts) <= error_of(at, np.linspace(at.min(), at.max(), 6), counts)
    index = nearest(found, at)
    for number in np.unique(index):
        mine = index == number
        assert found[number] == pytest.approx(counts[mine] @ at[mine] / counts[mine].sum())


@given(array=weights(), values=st.integers(2, 20))
def test_sharing_keeps_zeros_and_leaves_few_values(array: Array, values: int) -> None:
    found = shared(array, values)
    assert found.shape == array.shape and found.dtype == np.int32
    assert np.unique(found).size <= values
    assert (found[array == 0] == 0).all()
    if np.unique(array).size <= values:
        np.testing.assert_array_equal(found, array)
    elif array.size:
        assert array.min() <= found.min() and found.max() <= array.max()


def test_sharing_of_one_value_is_refused() -> None:
    with pytest.raises(BitwrightError) as error:
        shared(np.zeros(3, dtype=np.int32), 1)
    assert str(error.value) == "sharing: 1 different values\n  hint: share 2 at least, of which zero may be one"
