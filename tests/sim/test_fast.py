# SPDX-License-Identifier: Apache-2.0
"""The engine fast against the reference: every kind of layer, random networks, the limits, and its library."""

from __future__ import annotations

import ctypes
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import bitwright as bw
from bitwright import api
from bitwright.exact.steps import steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Requantise
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Ints, Weights
from bitwright.sim import reference, threads, tools
from bitwright.sim.engines import ENGINES
from bitwright.sim.fast import engine, native, prepare, program, tails
from bitwright.sim.fast.layout import Form
from bitwright.sim.fast.tails import Counted, Line, Looked
from tests import collection
from tests.collection import needs_collection
from tests.ir.graphs import random_codes, random_graph
from tests.layers.cases import CASES
from tests.layers.nets import Net, side_by_side
from tests.needs import needs_cxx

pytestmark = needs_cxx
U8, S8 = integer(8, signed=False), integer(8, signed=True)
RANDOM = [(seed, 1 + seed % 16) for seed in range(100)]


@cache
def built(*flags: str) -> ctypes.CDLL:
    """The library for other instructions, built in little time."""
    folder = Path(native.SOURCES)
    made = native.tools.cache_folder() / "tests" / f"fast{'-'.join(flags)}.so"
    made.parent.mkdir(parents=True, exist_ok=True)
    command = [str(tools.cxx().path), *(flag for flag in native.FLAGS if flag not in ("-O3", "-march=native")), "-O1"]
    subprocess.run([*command, *flags, "-o", str(made), str(folder / "engine.cpp")], check=True)
    return native.opened(made)


def same(graph: Graph, codes: list[Ints], library: ctypes.CDLL | None = None) -> None:
    ours = engine.of(prepare.prepare(graph, library or native.library()), graph)(codes)
    for name, got, want in zip(graph.outputs, ours, reference.run(graph, codes), strict=True):
        np.testing.assert_array_equal(got, want, err_msg=name)


def random(seed: int, bits: int) -> Graph:
    return random_graph(seed, bits=max(bits, 2), joins=bool(seed % 3))


def test_every_kind_of_layer() -> None:
    graph = side_by_side(CASES)
    same(graph, random_codes(graph, 7, 9))


@pytest.mark.parametrize("start", range(0, 100, 25))
def test_random_networks(start: int) -> None:
    for seed, bits in RANDOM[start : start + 25]:
        graph = random(seed, bits)
        same(graph, random_codes(graph, seed, 5))


@pytest.mark.long
def test_two_thousand_random_networks() -> None:
    for seed in range(100, 2000):
        graph = random(seed, 1 + seed % 16)
        same(graph, random_codes(graph, seed, 5))


@needs_collection
@pytest.mark.long
@pytest.mark.parametrize("name", collection.taken() if collection.MODELS.exists() else [])
def test_the_collection_on_all_its_samples(name: str) -> None:
    graph = collection.load(name)
    same(graph, api.to_codes(graph, collection.golden(name)[0]))
    same(graph, random_codes(graph, 1, 20))


@pytest.mark.long
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    flags = [*native.FLAGS[:1], "-O1", *native.FLAGS[2:], "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    made, compiler = tmp_path / "fast.so", str(tools.cxx().path)
    subprocess.run([compiler, *flags, "-o", str(made), str(native.SOURCES / "engine.cpp")], check=True)
    asked = ("libasan.so", "libubsan.so", "libstdc++.so")
    found = [subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip() for name in asked]
    env = tools.environment() | {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-m", "tests.sim.sanitized", str(made)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("clean"), done.stderr[-3000:]


@pytest.mark.slow
def test_a_million_samples() -> None:
    graph = dense(U8, np.array([[1, -2], [3, 4]]))
    codes = np.random.default_rng(1).integers(0, 256, (1_000_000, 2), dtype=np.uint8)
    same(graph, [codes])


@pytest.mark.parametrize("flags", [("-march=x86-64",), ("-march=x86-64-v3",)], ids=["portable", "AVX2"])
def test_other_instructions_give_the_same_integers(flags: tuple[str]) -> None:
    library, graph = built(*flags), side_by_side(CASES)
    assert library.bw_probe() == 1 and library.bw_name() != b"AVX-512-VNNI"
    same(graph, random_codes(graph, 7, 3), library)
    for seed in range(20):
        graph = random(seed, 1 + seed % 16)
        same(graph, random_codes(graph, seed, 3), library)


def wide_channels(depthwise: bool) -> Graph:
    """More channels than any block of a kernel, a border on each side, and sums at the ends of what bytes make."""
    net, rng = Net(), np.random.default_rng(3)
    x = net.input("x", (5, 7, 70), U8)
    weights = rng.integers(-128, 128, (70, 3, 3, 1 if depthwise else 70))
    weights[0], weights[1] = -128, 127
    options = {"groups": 70 if depthwise else 1, "pads": (1, 1, 1, 1), "pad_value": 255}
    net.act(net.conv(x, weights, **options), S8, rng)
    return net.graph()


@pytest.mark.parametrize("depthwise", [False, True])
def test_blocks_that_are_not_full(depthwise: bool) -> None:
    graph = wide_channels(depthwise)
    same(graph, random_codes(graph, 1, 3))


def dense(kind: IntType, weights: Ints) -> Graph:
    net = bw.Net()
    net.dense(net.input("x", (weights.shape[1],), kind), weights)
    return net.graph()


@pytest.mark.parametrize(
    ("kind", "weight", "form"),
    [
        (U8, 127, Form.BYTES),
        (S8, -128, Form.BYTES),
        (S8, 128, Form.PAIRS),
        (integer(16, signed=True), -(1 << 15), Form.PAIRS),
        (integer(16, signed=False), 5, Form.PAIRS),
        (integer(17, signed=True), 5, Form.WIDE),
        (integer(30, signed=True), (1 << 29), Form.WIDE),
        (IntType(1000, 1255), 100, Form.BYTES),
    ],
)
def test_sums_at_their_limits(kind: IntType, weight: int, form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest and the highest codes, in the first two samples, by one weight: nothing saturates."""
    used: list[Form] = []
    product = program.Program.product
    monkeypatch.setattr(
        program.Program, "product", lambda self, form, *rest: (used.append(form), product(self, form, *rest))[1]
    )
    graph = dense(kind, np.full((3, 7 if form is not Form.PAIRS or kind.bits < 16 else 1), weight))
    same(graph, random_codes(graph, 2, 4))
    assert used == [form]


def test_sums_of_more_than_32_bits() -> None:
    weights = np.full((2, 600), 127)
    weights[0] = 126
    net = bw.Net()
    first = net.dense(net.input("x", (600,), integer(15, signed=True)), weights * 100)
    net.rescale(first, "s8", multiplier=[Fraction(1, 1 << 27)] * 2, offset=[Fraction(1, 3)] * 2)
    graph = net.graph()
    assert max(abs(layer.type.lo) for layer in graph.layers) > 1 << 31
    same(graph, random_codes(graph, 3, 50))


@pytest.mark.parametrize("dtype", [">i2", ">i4", ">i8", ">u2", ">u8", "<u8", "i1", "?"])
def test_codes_of_any_integer_type(dtype: str) -> None:
    graph = dense(integer(16, signed=True), np.array([[1, -2], [3, 4]]))
    codes = np.array([[0, 1], [1, 1], [1, 0]]).astype(dtype)
    want = bw.run(graph, codes, engine="reference")
    np.testing.assert_array_equal(bw.run(graph, codes, engine="fast"), want)
    np.testing.assert_array_equal(bw.run(graph, np.asfortranarray(codes)[::-1], engine="fast"), want[::-1])


@pytest.mark.parametrize("bits", [30, 31, 32])
@pytest.mark.parametrize("quantised", [False, True])
def test_sums_of_wide_codes_in_a_window(bits: int, quantised: bool) -> None:
    net = bw.Net()
    last = net.sum_pool(net.input("x", (3, 3, 2), integer(bits, signed=True)), (3, 3))
    if quantised:
        net.rescale(last, "s8", multiplier=[Fraction(1, 1 << bits - 4)] * 2)
    same(net.graph(), random_codes(net.graph(), 3, 6))


@pytest.mark.parametrize("low", [1 << 31, 1 << 33, -(1 << 40)])
def test_few_codes_far_from_zero(low: int) -> None:
    """Bytes from a base of more than 32 bits, that pools read, and a convolution that pads with another integer."""
    net = bw.Net()
    x = net.input("x", (4, 4, 2), IntType(low, low + 100))
    net.conv(net.max_pool(x, (2, 2)), np.ones((2, 2, 2, 2), dtype=np.int64), pads=(1, 1, 1, 1), pad_value=0)
    same(net.graph(), random_codes(net.graph(), 3, 6))
    net = bw.Net()
    net.sum_pool(net.input("x", (4, 4, 2), IntType(low, low + 100)), (2, 2), pads=(1, 1, 1, 1), pad_value=7)
    same(net.graph(), random_codes(net.graph(), 3, 6))


@pytest.mark.parametrize(
    ("shift", "span"), [(1 << 31, 100), (-(1 << 31), 100), (1 << 33, 200_000), (-(1 << 35), 100), (1 << 33, 2)]
)
def test_codes_far_from_zero_behind_a_requantiser(shift: int, span: int) -> None:
    """What a vector converts to 32 bits is no more than these hold, and steps count from where the codes begin."""
    net = bw.Net()
    offset = -shift if abs(shift) == 1 << 31 else 0
    kind = IntType(offset + shift - span, offset + shift + span)
    x = net.input("x", (32,), integer(20, signed=True))
    y = net.rescale(x, "s8", multiplier=[Fraction(span, 1 << 19)] * 32)
    layer = replace(
        y, type=kind, offset=PerChannel((Fraction(offset),)), shift=shift, low=(offset - span,), high=(offset + span,)
    )
    graph = verify(replace(net.graph(), layers=(layer,)))
    same(graph, random_codes(graph, 3, 40))


def test_entries_of_more_than_32_bits() -> None:
    net = bw.Net()
    table = net.table(net.input("x", (3,), integer(4, signed=False)), "s8", "abs")
    entries = Weights(np.arange(16) * (1 << 33) - (1 << 35))
    wide = replace(table, entries=entries, type=IntType(-(1 << 35), 1 << 38))
    same(replace(net.graph(), layers=(wide,)), [np.arange(15).reshape(5, 3)])


def in_threads(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Whatever the work is worth."""
    monkeypatch.setattr(threads, "processors", lambda: count)
    monkeypatch.setattr(threads, "WORTH", 1e-12)


def test_a_forked_child_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    in_threads(monkeypatch, 2)
    graph = random(4, 6)
    codes = random_codes(graph, 5, 3 * prepare.MOST)
    compute = engine.ready(graph)
    want = compute(codes)[0]
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as workers:
        found = workers.apply_async(forked, (codes,)).get(timeout=60)
    np.testing.assert_array_equal(found, want)


def forked(codes: list[Ints]) -> Ints:
    return engine.ready(random(4, 6))(codes)[0]


def test_no_samples() -> None:
    graph = dense(U8, np.array([[1, -2], [3, 4]]))
    same(graph, [np.zeros((0, 2), dtype=np.int64)])


@pytest.mark.parametrize("scale", [Fraction(1 << 200), Fraction(10**400), Fraction(1, 10**400)])
def test_scales_that_no_float_holds(scale: Fraction) -> None:
    net = bw.Net()
    net.rescale(net.input("x", (3,), S8), "s8", multiplier=[scale, scale, -scale], offset=[scale / 3] * 3)
    same(net.graph(), random_codes(net.graph(), 3, 20))


@pytest.mark.parametrize("samples", [1, 2, prepare.MOST - 1, prepare.MOST + 1, 3 * prepare.MOST + 5])
def test_any_number_of_samples_in_threads(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    in_threads(monkeypatch, 3)
    graph = random(4, 6)
    same(graph, random_codes(graph, 5, samples))


FORTY = integer(40, signed=True)


@pytest.mark.parametrize("rounding", ["half_even", "half_up", "half_down", "floor", "ceil"])
@pytest.mark.parametrize("bits", [30, 36])
def test_more_codes_than_are_listed(rounding: str, bits: int) -> None:
    """Lines, some of them falling or flat, with limits; behind sums, with products in 64 bits and in 128."""
    rng = np.random.default_rng(bits)
    for multiplier in ([Fraction(1, 3), Fraction(-2, 7), Fraction(0)], [Fraction(3, 1 << 8)] * 3, [Fraction(1)] * 3):
        net = bw.Net()
        x = net.input("x", (2,), FORTY)
        sums = net.dense(x, np.array([[3, -1], [1, 2], [-5, 1]]))
        limits = {"low": -(1 << 28), "high": (1 << 29) - 7}
        net.rescale(
            sums, integer(bits, signed=True), multiplier=multiplier, offset=Fraction(5, 7), rounding=rounding, **limits
        )
        graph = net.graph()
        made = prepare.prepare(graph, native.library())
        assert made.layers == [graph.layers[0].name], "one step, with a tail"
        ends = np.array([[a, b] for a in (FORTY.lo, -1, 0, 1, FORTY.hi) for b in (FORTY.lo, -1, 0, 1, FORTY.hi)])
        ties = rng.integers(-(1 << 20), 1 << 20, (200, 2)) << rng.integers(0, 18, (200, 1))
        same(graph, [np.concatenate([ends, ties, rng.integers(FORTY.lo, FORTY.hi, (500, 2))])])
        assert "computed_by" not in ENGINES["fast"].build(graph, None).run([ends]).counts


def test_ties_to_even_of_more_codes_than_are_listed() -> None:
    """Behind an even and an odd zero point: every sum is next to a tie."""
    for shift in (0, 3):
        net = bw.Net()
        net.rescale(
            net.input("x", (3,), FORTY),
            integer(34, signed=True),
            multiplier=[Fraction(1, 2), Fraction(-1, 4), 1],
            shift=shift,
        )
        same(
            net.graph(),
            [
                np.arange(-3000, 3000).reshape(2000, 3),
            ],
        )


def test_a_rule_that_is_no_line_is_left_to_the_reference() -> None:
    net = bw.Net()
    net.rescale(
        net.input("x", (3,), FORTY), integer(34, signed=True), multiplier=Fraction(1, 8), rounding="to_zero", name="act"
    )
    codes = [np.arange(-30, 30).reshape(20, 3)]
    outcome = ENGINES["fast"].build(net.graph(), None).run(codes)
    assert outcome.counts == {"computed_by": "reference, layer 'act' has more codes than are listed, and is no line"}
    np.testing.assert_array_equal(outcome.outputs[0], reference.run(net.graph(), codes)[0])


def requantisers() -> Iterator[tuple[Graph, Requantise]]:
    for seed in range(40):
        graph = random(seed, 8)
        yield from ((graph, layer) for layer in graph.layers if isinstance(layer, Requantise))


def test_a_line_that_is_wrong_at_one_step_is_found_out() -> None:
    """Half a code of room is what the trial leaves nobody: every constant is moved until one step lies elsewhere."""
    tried = 0
    for graph, layer in requantisers():
        reached = prepare.ranges(graph)[layer.inputs[0]]
        found, made = steps(layer, reached.lo, reached.hi), program.Program(native.library(), 1)
        form = tails.tail(layer, found, made)
        if not isinstance(form, Line) or not found.count.any():
            continue
        tried += 1
        assert tails.holds(form, found, made, wide=False)
        channel = int(found.count.argmax())
        moved = form.c.copy()
        moved[channel] += 1.01 * abs(form.m[channel])
        assert not tails.holds(replace(form, c=moved), found, made, wide=False)
    assert tried > 5


def test_the_forms_that_are_chosen() -> None:
    """Few steps are compared with, a line is a multiply-add, a short range is a table, and the rest is searched."""
    chosen = set()
    for graph in (*(random(seed, 8) for seed in range(60)), *CASES.values()):
        reached = prepare.ranges(graph)
        for layer in (layer for layer in graph.layers if isinstance(layer, Requantise)):
            bound = reached[layer.inputs[0]]
            made = program.Program(native.library(), 1)
            chosen.add(type(tails.tail(layer, steps(layer, bound.lo, bound.hi), made)))
    assert chosen == {Line, Counted, Looked}


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(native.tools, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(native.tools, "temporary_cache", lambda: tmp_path)
    native._name.cache_clear()
    yield tmp_path
    native._name.cache_clear()


def compiled_in(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources replaced by `text`, in a folder of their own."""
    sources = folder / "sources"
    sources.mkdir()
    (sources / "engine.cpp").write_text(text)
    monkeypatch.setattr(native, "SOURCES", sources)
    return sources


def test_a_library_that_fails_its_probe_is_not_kept(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_in(empty_cache, 'extern "C" int bw_probe() { __builtin_trap(); }', monkeypatch)
    with pytest.raises(BitwrightError) as error:
        native.built()
    assert error.value.what == "its products failed on this processor (exit code -4)"
    assert not native.is_built() and list(empty_cache.glob("*.so")) == []


@pytest.mark.parametrize("torn", ["cut", "empty", "changed"])
def test_a_torn_library_is_built_again(torn: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading one may be a crash, not an error."""
    compiled_in(empty_cache, 'extern "C" int bw_probe() { return 1; }', monkeypatch)
    path = native.built()
    content = path.read_bytes()
    path.write_bytes({"cut": content[:5000], "empty": b"", "changed": content[:900] + b"?" + content[901:]}[torn])
    assert not native.is_built()
    assert native.built() == path and native.is_built()
    assert ctypes.CDLL(str(path)).bw_probe() == 1


def test_a_library_that_cannot_be_loaded_any_more_is_built_again(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_in(empty_cache, 'extern "C" int bw_probe() { return 1; }', monkeypatch)
    monkeypatch.setattr(native, "opened", lambda path: ctypes.CDLL(str(path)))
    (empty_cache / native._name()).write_bytes(b"no library" + sha256(b"no library").digest())
    assert native.is_built()
    assert native.library.__wrapped__().bw_probe() == 1


def test_folders_whose_files_cannot_be_loaded_are_refused(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where they are mounted noexec: the child that tries the library cannot load it."""
    compiled_in(empty_cache, "", monkeypatch)
    monkeypatch.setattr(native, "PROBE", "raise OSError('failed to map segment from shared object')")
    with pytest.raises(BitwrightError) as error:
        native.library.__wrapped__()
    assert str(error.value) == (
        f"the kernels of the engine fast: no folder takes them: {empty_cache}: failed to map segment from shared "
        "object\n  hint: set XDG_CACHE_HOME to a folder that can be written, and whose files may be executed"
    )


def test_memory_that_is_missing_is_an_error_not_the_end() -> None:
    made = program.Program(native.library(), 1)
    with pytest.raises(BitwrightError) as error:
        made.library.bw_table(made._handle, 0, 0, 1 << 60, 0xBAD)
    assert error.value.what == "there is not enough memory"
    with pytest.raises(BitwrightError):
        made.library.bw_table(made._handle, 0, 0, 1 << 44, 0xBAD)


def test_a_tail_replaces_the_one_before_it() -> None:
    made, one = program.Program(native.library(), 1), np.ones(1, np.int64)
    for offset in (1 << 40, 7):
        made.shift(False, 1, [one, 0 * one, -(one << 50), one << 50], [offset], 0, 0)
        assert made.tried(np.array([[3]]), wide=True).item() == 3 + offset


def test_it_is_built_once_and_again_for_other_sources(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = compiled_in(empty_cache, 'extern "C" int bw_probe() { return 1; }', monkeypatch)
    assert not native.is_built()
    first = native.built()
    assert native.is_built() and native.built() == first
    (sources / "engine.cpp").write_text('extern "C" int bw_probe() { return 1; } // other')
    native._name.cache_clear()
    assert not native.is_built() and native.built() != first
    monkeypatch.setattr(native, "_processor", lambda: "another")
    native._name.cache_clear()
    assert not native.is_built()


def test_processes_may_race_for_it(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_in(empty_cache, 'extern "C" int bw_probe() { return 1; }', monkeypatch)
    code = (
        "import sys; from pathlib import Path; from bitwright.sim.fast import native\n"
        "native.tools.cache_folder = lambda: Path(sys.argv[1]); native.SOURCES = Path(sys.argv[1], 'sources')\n"
        "print(native.built())"
    )
    command = [sys.executable, "-c", code, str(empty_cache)]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {process.communicate()[0].strip() for process in racing} == {str(native.built())}
    assert sorted(path.suffix for path in empty_cache.iterdir()) == ["", ".so"]


def test_without_a_compiler_the_reference_computes_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> tools.Tool:
        raise BitwrightError("not found on PATH", where="g++", hint="buy one")

    row: Callable[[], tools.Tool] = absent
    monkeypatch.setattr(type(ENGINES["fast"]), "programs", (row,))
    graph = random(4, 6)
    outcome = ENGINES["fast"].build(graph, None).run(random_codes(graph, 5, 4))
    assert outcome.counts == {"computed_by": "reference, g++: not found on PATH; buy one"}
    np.testing.assert_array_equal(outcome.outputs[0], reference.run(graph, random_codes(graph, 5, 4))[0])


def test_a_cache_that_cannot_be_written_is_passed_over(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    compiled_in(empty_cache, 'extern "C" int bw_probe() { return 1; }', monkeypatch)
    other = tmp_path_factory.mktemp("other") / "own"
    monkeypatch.setattr(tools, "cache_folder", lambda: Path("/proc/none/bitwright"))
    monkeypatch.setattr(tools, "temporary_cache", lambda: other)
    assert not native.is_built()
    assert native.built().parent == other and native.is_built()
    other.chmod(0o777)  # anybody could put a library there
    assert not native.is_built()
    with pytest.raises(BitwrightError) as error:
        native.built()
    assert error.value.what == (
        f"no folder takes them: /proc/none/bitwright: No such file or directory, {other}: others can write into it"
    )


def test_without_a_folder_the_reference_computes_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> ctypes.CDLL:
        raise BitwrightError("no folder takes them", where="the kernels", hint="make room")

    monkeypatch.setattr(native, "library", refused)
    native.failure.cache_clear()
    graph = random(4, 6)
    outcome = ENGINES["fast"].build(graph, None).run(random_codes(graph, 5, 4))
    native.failure.cache_clear()
    assert outcome.counts == {"computed_by": "reference, the kernels: no folder takes them; make room"}


def test_a_changed_weight_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    native.library()
    monkeypatch.setattr(tools, "run", lambda *args, **kwargs: pytest.fail("something was compiled"))
    for weight in (1, 2):
        same(dense(U8, np.full((2, 3), weight)), [np.arange(6).reshape(2, 3)])
