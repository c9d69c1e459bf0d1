# SPDX-License-Identifier: Apache-2.0
"""A model cut at tensors of its inside, which become its outputs; what only lay behind them is left off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain

from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Model, Node


def cut(model: Model, asked: Sequence[str]) -> Model:
    """`model` as far as the tensors, or the nodes, that are `asked` for; its inputs are those that they need.

    The nodes that depend on an input and are no longer there are in `left`.
    """
    if not asked:
        return model
    outputs = _tensors(model, asked)
    kept, whole = needed(model.nodes, outputs), needed(model.nodes, model.outputs)
    read = set(outputs).union(*(node.inputs for node in kept))
    held = set(map(id, kept))
    return replace(
        model,
        nodes=tuple(kept),
        outputs=outputs,
        inputs=tuple(entry for entry in model.inputs if entry.name in read),
        constants={name: model.constants[name] for name in read & model.constants.keys()},
        left=tuple(node for node in _of_data(model, whole) if id(node) not in held),
    )


def needed(nodes: Sequence[Node], outputs: Iterable[str]) -> list[Node]:
    """The nodes from which an output can be reached, in their order, whatever that is."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    waiting, reached = list(outputs), set[int]()
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and id(node) not in reached:
            reached.add(id(node))
            waiting += node.inputs
    return [node for node in nodes if id(node) in reached]


def _of_data(model: Model, nodes: Sequence[Node]) -> list[Node]:
    """The nodes that depend on an input."""
    known, found = {entry.name for entry in model.inputs}, set[int]()
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    waiting = list(known)
    while waiting:
        for node in readers.get(waiting.pop(), ()):
            if id(node) not in found:
                found.add(id(node))
                waiting += node.outputs
    return [node for node in nodes if id(node) in found]


def _tensors(model: Model, asked: Sequence[str]) -> tuple[str, ...]:
    """The tensors that are named: by their own name, or by that of the node that makes them."""
    known = named(model)
    found: dict[str, str] = {}
    for name in chain(*([text] if text in known else text.split(",") for text in asked)):
        if name not in known:
            raise unknown(model, "--outputs", name, known)
        if known[name] in found:
            raise BitwrightError("is given twice", where=f"--outputs {name}", hint="name each output once")
        found[known[name]] = name
    return tuple(found)


def named(model: Model) -> dict[str, str]:
    """The tensors that nodes make, by their own name and by that of the node."""
    makers = {node.name: node.outputs[0] for node in reversed(model.nodes) if any(node.outputs[:1])}
    made = set[str]().union(*(node.outputs for node in model.nodes)) - {""}
    return makers | dict(zip(made, made, strict=True))


def unknown(model: Model, option: str, name: str, known: Iterable[str]) -> BitwrightError:
    """That no node makes what `option` names; lists what is close to it."""
    near = ", ".join(f"'{other}'" for other in get_close_matches(name, sorted(known), 3))
    outputs = ", ".join(f"'{output}'" for output in model.outputs)
    return BitwrightError(
        f"{model.file} has no node that makes '{name}'",
        where=f"{option} {name}",
        hint=f"close to it: {near}" if near else f"name a tensor or a node of the model; its outputs are {outputs}",
    )
