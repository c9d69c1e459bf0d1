# SPDX-License-Identifier: Apache-2.0
"""What the modules of both libraries need of their sizes: each kernel has it, in the words in which they refuse others.

A simulator or a compiler would refuse a project that breaks one: so a design is checked when it is lowered.
"""

from __future__ import annotations

from bitwright.hardware.kernels.base import FRAME, Kernel, KernelGraph
from bitwright.ir.errors import BitwrightError


def check_needs(graph: KernelGraph) -> KernelGraph:
    """`graph` itself; BitwrightError names the layer of a kernel that its modules would refuse."""
    for kernel in graph.kernels:
        said = broken(kernel)
        if said == FRAME:
            hint = "ask for fewer clocks per frame: more lanes take fewer beats"
            raise BitwrightError(said, where=f"layer '{kernel.layer}'", hint=hint)
        if said:
            what = f"its {type(kernel).__name__} would be refused: {said}"
            raise BitwrightError(what, where=f"layer '{kernel.layer}'", hint="report this as a bug")
    return graph


def broken(kernel: Kernel) -> str:
    """The first need of its modules that `kernel` does not keep, or an empty string."""
    return next((said for kept, said in kernel.needs() if not kept), "")
