# SPDX-License-Identifier: Apache-2.0
"""Our ap_int against the vendor's open headers: one program, compiled against either, prints the same lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.hls.programs import OURS, TEMPLATES, WARNINGS, compiled, needs_vendor, run, vendor, write
from tests.needs import needs_cxx

pytestmark = needs_cxx

PAIRS = [(1, 1), (1, 8), (3, 13), (7, 16), (8, 8), (9, 31), (16, 6), (32, 32), (40, 24), (63, 1)]
"""Widths of operands; every combination of signs of each pair is compared."""

HEAD = r"""
#include <ap_int.h>
#include <cstdio>
#include <initializer_list>

// Width, sign and value of an integer of up to 64 bits; `name` says which operation gave it.
template <typename T>
void show(const char *name, const T &x) {
  std::printf("%s %d %d %lld\n", name, T::width, T(-1) < T(0) ? 1 : 0, (long long)x.to_int64());
}
void show(const char *name, bool x) { std::printf("%s %d\n", name, x ? 1 : 0); }

// From 32 bits on the vendor compares mixed signs as C does, by converting both to unsigned; our kernels never mix.
template <typename A, typename B>
void pair(long long first, long long second) {
  A a = first;
  B b = second;
  show("a", a);
  show("a + b", a + b);
  show("a - b", a - b);
  show("a * b", a * b);
  show("a & b", a & b);
  show("a | b", a | b);
  show("a ^ b", a ^ b);
  show("-a", -a);
  show("~a", ~a);
  show("!a", !a);
  const bool same_sign = (A(-1) < A(0)) == (B(-1) < B(0));
  if (same_sign || (A::width < 32 && B::width < 32)) {
    show("a < b", a < b);
    show("a <= b", a <= b);
    show("a > b", a > b);
    show("a >= b", a >= b);
    show("a == b", a == b);
    show("a != b", a != b);
  }
  show("a * 3", ap_int<64>(a * 3));
  show("5 - a", ap_int<64>(5 - a));
  show("a + 1", a + 1);
  if (A(-1) < A(0) || A::width < 32) show("a < -1", a < -1);
  show("7 == a", 7 == a);
  show("A(b)", A(b));
  show("B(a)", B(a));
  for (int count : {0, 1, A::width / 2, A::width - 1, A::width}) {
    show("a >> n", a >> count);
    if (count < A::width) show("a << n", a << count);
  }
  const int high = A::width - 1, low = A::width / 3;
  show("a[n]", bool(a[high]));
  show("a.range", ap_uint<A::width>(a.range(high, low)));
  A edited = a;
  edited.range(high, low) = b;
  show("range = b", edited);
  edited = a;
  edited[low] = 1;
  show("bit = 1", edited);
  A changed = a;
  changed += b;
  show("+=", changed);
  changed -= 3;
  show("-=", changed);
  changed *= b;
  show("*=", changed);
  ++changed;
  show("++", changed);
  const int native = a;
  std::printf("int %d, %d\n", native, a.to_int());
}

// A word of an AXI4-Stream: only its parts and comparisons.
template <int W>
void word(long long seed) {
  ap_uint<W> x = -1;
  for (int low = 0, step = 0; low + 7 < W; low += 8, ++step) x.range(low + 7, low) = ap_uint<8>(seed >> step % 8);
  ap_uint<W> y = 0;
  for (int low = 0; low + 7 < W; low += 8) {
    const ap_uint<8> part = x.range(low + 7, low);
    std::printf("%d ", part.to_int());
    y.range(low + 7, low) = part;
  }
  const ap_uint<33> middle = x.range(W / 2 + 16, W / 2 - 16);
  std::printf("%lld %d %d\n", (long long)middle.to_int64(), x == y ? 1 : 0, x != ap_uint<W>(-1) ? 1 : 0);
}
"""


WHOSE = """
#ifdef AP_INT_MAX_W
#define WHOSE "theirs"
#else
#define WHOSE "ours"
#endif
"""


def program(rng: np.random.Generator) -> str:
    """Calls with the extremes, with small numbers, and with random ones that wrap in narrow operands."""
    lines = []
    for a, b in PAIRS:
        for signs in ("int", "int"), ("int", "uint"), ("uint", "int"), ("uint", "uint"):
            kinds = ", ".join(f"ap_{sign}<{bits}>" for sign, bits in zip(signs, (a, b), strict=True))
            edges = [(1 << a - 1, 1 << b - 1), ((1 << a - 1) - 1, (1 << b - 1) - 1), (-1, 1), (0, -1)]
            drawn = [tuple(map(int, pair)) for pair in rng.integers(-(2**62), 2**62, (6, 2))]
            lines += [f"  pair<{kinds}>({x}LL, {y}LL);" for x, y in edges + drawn]
    lines += [f"  word<{bits}>({int(rng.integers(2**62))}LL);" for bits in (64, 72, 136, 512)]
    return HEAD + WHOSE + "int main() {\n  std::puts(WHOSE);\n" + "\n".join(lines) + "\n}\n"


@needs_vendor
@pytest.mark.parametrize("headers", ["ours", "theirs"])
def test_static_initialisation_takes_the_elements_of_a_table(headers: str, tmp_path: Path) -> None:
    """As constants of the compiler: without a constructor that runs for each of a million weights."""
    kinds = [f"ap_{sign}int<{bits}>" for sign in ("", "u") for bits in (1, 7, 8, 9, 16, 17, 32, 33, 63, 64)]
    lines = ['#include "bw_rom.hpp"', "#include <cstdio>", "int main() {"]
    for kind in [*kinds, "bw::Bipolar"]:
        lines += [
            "  {",
            f"    static constexpr bw::Rom<{kind}> table[2] = {{{{0}}, {{1}}}};",
            f"    const {kind} zero = table[0], one = table[1];",
            '    std::printf("%d %d %d\\n", int(sizeof table), bw::value(zero).to_int(), bw::value(one).to_int());',
            "  }",
        ]
    write(tmp_path, {"program.cpp": "\n".join([*lines, "}", ""])})
    includes = OURS if headers == "ours" else vendor(tmp_path)
    done = run(compiled(tmp_path, ["program.cpp"], ["-w", f"-I{TEMPLATES}", *includes]))
    sizes = [2, 2, 2, 4, 4, 8, 8, 16, 16, 16]
    signed, unsigned = [f"{n} 0 {1 if i else -1}" for i, n in enumerate(sizes)], [f"{n} 0 1" for n in sizes]
    assert done.stdout.splitlines() == [*signed, *unsigned, "2 -1 1"]


@needs_vendor
@pytest.mark.parametrize("headers", ["ours", "theirs"])
def test_a_counter_is_as_wide_as_its_last_value_and_returns_to_zero(headers: str, tmp_path: Path) -> None:
    sizes = [1, 2, 3, 4, 5, 7, 8, 9, 256, 257, 65536]
    lines = [
        '#include "bw_stream.hpp"',
        "#include <cstdio>",
        "template <int N>",
        "void count() {",
        "  bw::Counter<N> at = 0;",
        "  int steps = 0;",
        "  do ++steps; while ((at = bw::after<N>(at)) != 0 && steps <= N);",
        '  std::printf("%d %d\\n", bw::Counter<N>::width, steps);',
        "}",
        f"int main() {{ {' '.join(f'count<{n}>();' for n in sizes)} }}",
    ]
    write(tmp_path, {"program.cpp": "\n".join([*lines, ""])})
    includes = OURS if headers == "ours" else vendor(tmp_path)
    done = run(compiled(tmp_path, ["program.cpp"], ["-w", f"-I{TEMPLATES}", *includes]))
    assert done.stdout.splitlines() == [f"{max(1, (n - 1).bit_length())} {n}" for n in sizes]


@needs_vendor
def test_every_operator_gives_the_width_the_sign_and_the_value_of_the_vendors(tmp_path: Path) -> None:
    includes = vendor(tmp_path)
    write(tmp_path, {"program.cpp": program(np.random.default_rng(6))})
    ours = run(compiled(tmp_path, ["program.cpp"], [*WARNINGS, "-fsanitize=undefined", *OURS], "ours"))
    theirs = run(compiled(tmp_path, ["program.cpp"], ["-w", *includes], "theirs"))
    assert (ours.returncode, ours.stderr, theirs.returncode) == (0, "", 0)
    lines = ours.stdout.splitlines(), theirs.stdout.splitlines()
    assert [side[0] for side in lines] == ["ours", "theirs"]
    assert len(lines[0]) > 10_000
    assert [pair for pair in zip(*lines, strict=True) if len(set(pair)) > 1] == [("ours", "theirs")]


def test_a_weight_of_up_to_eight_bits_takes_one_byte(tmp_path: Path) -> None:
    lines = [
        "#include <ap_int.h>",
        *(
            f"static_assert(sizeof(ap_{s}int<{w}>) == {n});"
            for s in ("", "u")
            for w, n in ((1, 1), (8, 1), (9, 2), (33, 8))
        ),
        "static_assert(ap_int<3>(5) == -3 && ap_uint<3>(-1) == 7);",
        "int main() {}",
    ]
    write(tmp_path, {"program.cpp": "\n".join(lines).replace(");", ', "");') + "\n"})
    assert run(compiled(tmp_path, ["program.cpp"], [*WARNINGS, *OURS])).returncode == 0
