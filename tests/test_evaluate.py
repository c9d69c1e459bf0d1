# SPDX-License-Identifier: Apache-2.0
"""A design evaluated: its score is that of the reference, whatever was known before, and the hopeless stop early."""

from __future__ import annotations

import pickle  # noqa: TID251 (of what the test itself made)
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import Options, calibrate
from bitwright.compress.encode import Encoder
from bitwright.explore.evaluate import Evaluation
from bitwright.explore.making import Made, Maker
from bitwright.explore.metrics import METRICS, accuracy
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.racing import stages
from bitwright.explore.record import Record, Score, Task
from bitwright.explore.score import scoring
from bitwright.explore.space import Axis, Design, Space
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.sim import reference, whole
from bitwright.sim.prefixes import Prefixes, Running, cuts

Array = NDArray[Any]
DIGITS = Path(__file__).parents[1] / "examples" / "digits"


@dataclass(frozen=True)
class Bits:
    """Prices of tests: the bits of all weights and tensors together; twice as many where it is compiled."""

    def figures(self, made: Made) -> dict[str, float]:
        return {"cost": float(sum(made.widths.values()))}

    def compiled(self, made: Made, graph: Graph) -> dict[str, float]:
        return {"cost": 2.0 * sum(made.widths.values())}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    with np.load(DIGITS / "digits_data.npz") as file:
        calibration = calibrate(DIGITS / "digits_float.onnx", [file["calibration"][:32]])
        x, y = file["x"][:200], file["y"][:200]
    net, bits = calibration.net, tuple(range(2, 9))
    weights = [Axis(f"w {each.weight}", "weights", bits, (each.weight,)) for each in net.layers]
    tensors = [Axis(f"a {each.tensor}", "activations", bits, (each.tensor,)) for each in net.sites]
    maker = Maker(Space((*tensors, *weights)), calibration, Options(rounding="nearest", correct="none"))
    found = scoring(net, x, y)
    return Evaluation(maker, Bits(), found, (found.metric.objective, OBJECTIVES["cost"]))


def designs(evaluation: Evaluation, count: int, seed: int = 0) -> list[Design]:
    """Each the one before it with another width or two."""
    random, axes = np.random.default_rng(seed), evaluation.maker.space.axes
    places, found = random.integers(2, 7, len(axes)), []
    for _ in range(count):
        places[random.integers(len(axes))] = random.integers(7)
        found.append(evaluation.maker.space.design(places.tolist()))
    return found


def by_reference(evaluation: Evaluation, design: Design) -> float:
    graph = evaluation.maker.made(design).state.graph()
    codes = whole.entering(graph, dict(zip(graph.entry.inputs, evaluation.scoring.arrays, strict=True)))
    made = reference.run(graph, [np.asarray(array, dtype=np.int64) for array in codes])
    return accuracy(whole.leaving(graph, made)[0], evaluation.scoring.wanted[0])


@pytest.mark.parametrize("memory", [1 << 28, 1 << 19, 0])
def test_a_score_is_that_of_the_reference_whatever_is_kept(memory: int, evaluation: Evaluation) -> None:
    keeping = replace(evaluation, memory=memory)
    for design in designs(evaluation, 12):
        record = keeping(Task(design))
        assert record.score.complete and not record.compiled
        assert record.figures["accuracy"] == record.score.value == by_reference(evaluation, design)
        assert record.figures["cost"] == sum(value for _, value in design.choices if isinstance(value, int))
        assert record == evaluation(Task(design))


def test_networks_that_begin_alike_are_encoded_alike(evaluation: Evaluation) -> None:
    """With few networks kept, and many: each graph is the one that is encoded alone."""
    net, encoders = evaluation.maker.calibration.net, []
    for memory in (0, 1 << 28):
        encoders.append(Encoder(net, memory))
    for design in designs(evaluation, 25, seed=3):
        state = evaluation.maker.made(design).state
        for encoder in encoders:
            graph = encoder.graph(state)
            assert graph == state.graph() and graph.digest == state.graph().digest


@pytest.mark.parametrize("correct", ["none", "bias"])
def test_networks_of_other_biases_and_zeros_begin_alike_too(evaluation: Evaluation, correct: str) -> None:
    """As a search sees designs: biases corrected, one weight zeroed; what two have in common is kept once."""
    calibration = evaluation.maker.calibration
    zeros = Axis("zeros", "sparsity", (0.5, 0), (calibration.net.layers[1].weight,))
    space = Space((*evaluation.maker.space.axes, zeros))
    maker = Maker(space, calibration, Options(correct=correct))
    encoder, rng = Encoder(calibration.net, 1 << 28), np.random.default_rng(5)
    middle = [len(axis.values) // 2 for axis in space.axes]
    for _ in range(25):
        places = list(middle)
        for axis in rng.choice(len(places), 2, replace=False):
            places[axis] = int(rng.integers(len(space.axes[axis].values)))
        state = maker.glimpsed(space.design(places)).state
        graph = encoder.graph(state)
        assert graph == state.graph() and graph.digest == state.graph().digest
    assert 0 < len(encoder._begun._held) < 25 * len(calibration.net.sites)


def test_a_network_of_other_nodes_begins_as_none(evaluation: Evaluation) -> None:
    state = evaluation.maker.made(designs(evaluation, 1)[0]).state
    nodes = tuple(replace(node, op="Sigmoid") if node.op == "Relu" else node for node in state.net.nodes)
    encoder = Encoder(state.net, 1 << 28)
    assert encoder.graph(state) == state.graph()
    other = replace(state, net=replace(state.net, nodes=nodes))
    assert encoder.graph(other) == other.graph() != state.graph()


def test_other_networks_of_the_same_names_are_not_mistaken(evaluation: Evaluation) -> None:
    """A bias is another one: the digest of the float network tells."""
    state = evaluation.maker.made(designs(evaluation, 1)[0]).state
    name = next(layer.bias for layer in state.net.layers if layer.bias)
    other = replace(state, net=state.net.replace(**{name: state.net.constants[name] + np.float32(0.5)}))
    encoder = Encoder(state.net, 1 << 28)
    assert encoder.graph(state) == state.graph()
    assert encoder.graph(other) == other.graph() != state.graph()


def test_a_shared_beginning_is_computed_once(evaluation: Evaluation) -> None:
    """The third network that begins as two before runs its rest alone."""
    space = evaluation.maker.space
    last = len(space.axes) - 1
    graphs = [evaluation.maker.made(space.design([*[5] * last, place])).state.graph() for place in (2, 3, 4)]
    prefixes = Prefixes(evaluation.scoring.arrays, 1 << 28)
    ran = []
    for graph in graphs:
        running = Running(prefixes, graph)
        running.outputs(slice(0, 200))
        ((left, _),) = running.ready.values()
        ran.append(len(left.layers))
    assert ran[0] == ran[1] == len(graphs[0].layers) and ran[2] < len(graphs[2].layers) // 2
    assert 2 <= len(cuts(graphs[0])) <= 8


def test_hopeless_designs_stop_early_and_finalists_never(evaluation: Evaluation) -> None:
    space = evaluation.maker.space
    poor, good = (space.design([place] * len(space.axes)) for place in (0, 6))
    wanted = evaluation(Task(poor)).score.value
    rival = replace(evaluation(Task(good)), figures={"accuracy": 1.0, "cost": 1.0})
    stopped = evaluation(Task(poor, (rival,)))
    assert stopped.score.samples in stages(200)[:-1] and not stopped.score.complete
    assert stopped.score.low <= wanted <= stopped.score.high
    assert evaluation(Task(good, (rival,))).score.complete
    assert evaluation(Task(poor, (rival,), final=True)).score.complete
    for other in ({"accuracy": 1.0, "cost": 1e6}, {"accuracy": wanted, "cost": 1.0}):
        score = replace(rival.score, value=other["accuracy"])
        assert evaluation(Task(poor, (replace(rival, figures=other, score=score),))).score.complete


def test_a_finalist_is_compiled(evaluation: Evaluation) -> None:
    design = designs(evaluation, 1)[0]
    record, final = evaluation(Task(design)), evaluation(Task(design, final=True))
    assert final.compiled and final.score == record.score
    assert final.figures["cost"] == 2 * record.figures["cost"]


def test_another_process_evaluates_alike(evaluation: Evaluation) -> None:
    design = designs(evaluation, 1)[0]
    record = evaluation(Task(design))
    sent = pickle.dumps(evaluation)
    assert pickle.loads(sent)(Task(design)) == record
    assert len(sent) < 1.2 * len(pickle.dumps(replace(evaluation)))  # nothing of what is kept is in it


def test_unlabelled_samples_are_scored_by_agreement(evaluation: Evaluation) -> None:
    net = evaluation.maker.calibration.net
    blind = replace(evaluation, scoring=scoring(net, evaluation.scoring.arrays, None))
    assert blind.scoring.metric is METRICS["agreement"]
    space = evaluation.maker.space
    wide = blind(Task(space.design([6] * len(space.axes))))
    assert wide.figures["agreement"] > 0.98
    noisy = replace(evaluation, scoring=scoring(net, evaluation.scoring.arrays, None, "snr"))
    assert noisy(Task(space.design([6] * len(space.axes)))).figures["snr"] > 20


@dataclass(frozen=True)
class Refusing(Bits):
    """Prices that there are none of."""

    def figures(self, made: Made) -> Mapping[str, float]:  # type: ignore[override]
        raise BitwrightError("no price", where="table", hint="fill it")


def test_an_error_names_the_design(evaluation: Evaluation) -> None:
    design = designs(evaluation, 1)[0]
    with pytest.raises(BitwrightError) as caught:
        replace(evaluation, prices=Refusing())(Task(design))
    assert str(caught.value) == f"design {design.key}: table: no price\n  hint: fill it"


def test_a_rival_is_a_record() -> None:
    score = Score(value=0.5, low=0.4, high=0.6, samples=10, total=10)
    assert Task(Design(()), (Record(design=Design(()), figures={}, score=score),)) == Task(Design(()))
