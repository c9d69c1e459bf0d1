# SPDX-License-Identifier: Apache-2.0
"""Identifiers that are safe in C++, SystemVerilog and Tcl, made from whatever a model calls its tensors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from bitwright.ir.errors import BitwrightError

LIMIT = 48
"""The longest identifier; tools add prefixes and suffixes of their own."""

CPP = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl
    concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete
    do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires restrict return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
    xor_eq final override import module
    """.split()
)
SYSTEMVERILOG = frozenset(
    """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
    binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
    constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
    else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
    endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
    export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global
    highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input
    inside instance int integer interconnect interface intersect join join_any join_none large let liblist library local
    localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
    noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
    property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
    randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0
    rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1
    sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri
    tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var
    vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
    """.split()
)
LIBRARIES = frozenset(
    """
    abs acos alloca ap_ctrl ap_int ap_uint areset aresetn aclk asin atan bw ceil clk clock cos div errno eof exit exp
    fabs false floor fmod free gamma hls i386 index isfinite isinf isnan j0 j1 jn linux log main major makedev malloc
    max min minor nan null offsetof pow printf rand read remainder remove rename rint round rst setjmp sigaction signal
    sin sqrt std stderr stdin stdout swap tan tanh time trunc true unix va_arg va_end va_start write y0 y1 yn
    """.split()
)
RESERVED = CPP | SYSTEMVERILOG | LIBRARIES
"""No identifier is one of these: keywords, and names that C and C++ headers or the generated tops define."""


def identifier(name: str, taken: AbstractSet[str]) -> str:
    """A valid identifier that resembles `name` and is neither reserved nor in `taken`.

    Lower case (headers define upper-case macros, and some file systems ignore case): letters, digits and single
    underscores, a letter first, no underscore last, no `_t` at the end (a C type), no `bw_` in front (ours), at most
    `LIMIT` characters. Of a long name what follows its last semicolon is kept, which names the operator among those
    that were fused, and of that the first words and the last ones.
    """
    stem = _stem(name)
    if not stem or stem[0].isdigit() or f"{stem}_".startswith("bw_"):  # bw itself too: a number makes it bw_1
        stem = "n" + stem[1 - LIMIT :].lstrip("_")
    if not (stem in RESERVED or stem in taken or stem.endswith("_t")):
        return stem
    count = 1
    while (candidate := _numbered(stem, count)) in taken or candidate in RESERVED:
        count += 1
    return candidate


def chosen(name: str) -> str:
    """`name`, which a user gives to a design, if it is an identifier as it stands; a BitwrightError else."""
    legal = identifier(name[: 2 * LIMIT], set())
    if name != legal:
        raise BitwrightError(
            "is no name that C++, SystemVerilog and file systems all take",
            where=f"--name {name[: 2 * LIMIT]}",
            hint=f"lower-case letters, digits and single underscores between them, a letter first, at most {LIMIT}, no "
            f"keyword or name of a library, neither bw_ in front nor _t behind: for example {legal}",
        )
    return name


def identifiers(names: Sequence[str]) -> dict[str, str]:
    """A different identifier for each of `names`; the first comer keeps the plain one."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name not in found:
            found[name] = identifier(name, taken)
            taken.add(found[name])
    return found


def _stem(name: str) -> str:
    """The words of `name`, as many as fit `LIMIT`."""
    whole, last = (re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in (name, name.rpartition(";")[2]))
    words = (whole if len(whole) <= LIMIT else last or whole).split("_")
    while len(words) > 2 and len("_".join(words)) > LIMIT:
        del words[len(words) // 2]
    return "_".join(words)[-LIMIT:].strip("_")


def _numbered(stem: str, count: int) -> str:
    suffix = f"_{count}"
    return stem[: LIMIT - len(suffix)].rstrip("_") + suffix
