# SPDX-License-Identifier: Apache-2.0
"""The largest value of a line plus multiples of a rounded line over an interval, in as many steps as Euclid takes."""

from __future__ import annotations


def highest(count: int, a: int, b: int, c: int, d: int, m: int) -> int:
    """max(a*x + b*floor((c*x + d)/m)) over 0 <= x < count, for count >= 1, c >= 0 and m >= 1.

    Whole parts of c/m and d/m are moved out of the floor. If the largest value then is at no end, a and b differ in
    sign: for each value y of the floor only its first or its last x can be the best, which is a floor of a line in y.
    So the parts are swapped, and c and m shrink as in Euclid's algorithm.
    """
    base, best = 0, None
    while True:
        base, d = base + b * (d // m), d % m
        a, c = a + b * (c // m), c % m
        end = count - 1
        top = (c * end + d) // m
        ends = max(base, base + a * end + b * top)
        best = ends if best is None else max(best, ends)
        if not top or (a >= 0) == (b >= 0) or not a or not b:
            return best
        if a < 0:  # the first x of each y = 1 ... top
            base, d = base + b, m - d + c - 1
        else:  # the last x of each y = 0 ... top - 1
            d = m - d - 1
        count, a, b, c, m = top, b, a, m, c
