# SPDX-License-Identifier: Apache-2.0
"""`If` whose condition is known before anything runs, as where an export asks for a shape: the branch in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bitwright.reading.inference import infer
from bitwright.reading.model import Branch, Model, Node
from bitwright.reading.schema import STANDARD


def resolved(model: Model) -> Model:
    """`model` with the branch that is taken in the place of every `If` that constants and shapes decide."""
    while ifs := [node for node in model.nodes if node.op == "If" and node.domain in STANDARD]:
        known = infer(model).constants
        decided = {i: known[node.inputs[0]] for i, node in enumerate(ifs) if not {*node.inputs[:1]}.isdisjoint(known)}
        for i, condition in decided.items():
            model = _inlined(model, ifs[i], bool(condition.all()))
        if not decided:
            break
    return model


def _inlined(model: Model, node: Node, taken: bool) -> Model:
    """`model` with a branch of `node` in its place."""
    branch = node.attributes.get("then_branch" if taken else "else_branch")
    if not isinstance(branch, Branch) or len(branch.outputs) < len(node.outputs):
        raise node.error("lacks the branch that is taken, or one of its outputs", "export the model again")
    fresh = _fresh(model, node, branch)
    inner = [_renamed(other, fresh) for other in branch.nodes]
    ends = [
        Node(node.name, "Identity", "", (fresh.get(name, name),), (output,), {}, node.file)
        for name, output in zip(branch.outputs, node.outputs, strict=False)
        if output
    ]
    place = next(i for i, other in enumerate(model.nodes) if other is node)
    constants = {fresh[name]: array for name, array in branch.constants.items()}
    nodes = (*model.nodes[:place], *inner, *ends, *model.nodes[place + 1 :])
    return replace(model, nodes=nodes, constants={**model.constants, **constants})


def _fresh(model: Model, node: Node, branch: Branch) -> dict[str, str]:
    """A name that nothing in the model has for each tensor that the branch makes."""
    taken = {*model.constants, *(entry.name for entry in model.inputs)}
    taken.update(name for other in model.nodes for name in other.outputs)
    names: dict[str, str] = {}
    for name in (*branch.constants, *(name for other in branch.nodes for name in other.outputs)):
        fresh = name
        while fresh in taken:
            fresh = f"{node.name}/{fresh}"
        names[name] = fresh
        taken.add(fresh)
    return names


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    """A node of a branch with its tensors' names, those inside branches of its own too."""
    attributes = {
        name: _renamed_branch(value, names) if isinstance(value, Branch) else value
        for name, value in node.attributes.items()
    }
    ends = (tuple(names.get(name, name) if name else "" for name in row) for row in (node.inputs, node.outputs))
    inputs, outputs = ends
    return replace(node, inputs=inputs, outputs=outputs, attributes=attributes)


def _renamed_branch(branch: Branch, names: Mapping[str, str]) -> Branch:
    own = {*branch.constants, *(name for node in branch.nodes for name in node.outputs)}
    outer = {name: fresh for name, fresh in names.items() if name not in own}
    nodes = tuple(_renamed(node, outer) for node in branch.nodes)
    return replace(branch, nodes=nodes, outputs=tuple(outer.get(name, name) for name in branch.outputs))
