# SPDX-License-Identifier: Apache-2.0
"""An agent of one action between 0 and 1, which learns from episodes by deep deterministic policy gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HIDDEN = (64, 64)
TAU = 0.01
"""How far targets follow at each update."""
RATES = 1e-3, 3e-3
"""Of the actor, of the critic."""
SAMPLED, KEPT = 64, 4000
"""Steps of an update, and of the memory."""
FORGET = 0.95
"""What of the moving mean of rewards is left by the next episode."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What an agent saw and did, what it got for it, and what it saw then; nothing, where that was the end."""

    state: Floats
    action: float
    reward: float
    after: Floats | None


class Ddpg:
    """An actor that says what to do, a critic that says what that is worth, and a slower copy of each.

    The critic goes by r - b + gamma Q'(s', mu'(s')), b the moving mean of rewards, in units of how far they are spread;
    the actor goes where the critic rises. What is done is drawn around what the actor says, by a normal distribution
    that is cut off at 0 and 1 (Lillicrap, Hunt, Pritzel, Heess, Erez, Tassa, Silver, Wierstra: "Continuous control with
    deep reinforcement learning", ICLR 2016, arXiv 1509.02971; with b and the noise as in AMC; R120).
    """

    def __init__(self, inputs: int, rng: np.random.Generator, gamma: float = 1.0) -> None:
        self._rng, self._gamma, self._steps = rng, gamma, list[Step]()
        self._actor, self._critic = Net((inputs, *HIDDEN, 1), rng), Net((inputs + 1, *HIDDEN, 1), rng)
        self._slow_actor, self._slow_critic = self._actor.copy(), self._critic.copy()
        self._mean, self._square, self._weight = 0.0, 0.0, 0.0

    def mean(self, states: Floats) -> Floats:
        """What the actor says."""
        return _squashed(self._actor.outputs(states)[-1][:, 0])

    def act(self, state: Floats, spread: float) -> float:
        """What it does, so far spread around that."""
        mean = float(self.mean(state[None])[0])
        while True:
            action = float(self._rng.normal(mean, spread))
            if 0.0 <= action <= 1.0:
                return action

    def keep(self, episode: Sequence[Step]) -> None:
        """Remember an episode."""
        self._steps = [*self._steps, *episode][-KEPT:]
        rewards = np.array([step.reward for step in episode])
        self._mean = FORGET * self._mean + (1 - FORGET) * float(rewards.mean())
        self._square = FORGET * self._square + (1 - FORGET) * float(np.square(rewards).mean())
        self._weight = FORGET * self._weight + 1 - FORGET

    @property
    def baseline(self) -> float:
        """The moving mean of rewards."""
        return self._mean / self._weight

    def learn(self, times: int) -> None:
        """So many updates, each from steps that are drawn from all that are remembered."""
        spread = np.sqrt(max(self._square / self._weight - self.baseline**2, 1e-12))
        states = np.array([step.state for step in self._steps])
        actions = np.array([step.action for step in self._steps])
        rewards = (np.array([step.reward for step in self._steps]) - self.baseline) / spread
        later = np.array([step.state if step.after is None else step.after for step in self._steps])
        goes_on = np.array([step.after is not None for step in self._steps])
        for _ in range(times):
            rows = self._rng.integers(len(states), size=SAMPLED)
            coming = _squashed(self._slow_actor.outputs(later[rows])[-1][:, 0])
            ahead = self._slow_critic.outputs(_both(later[rows], coming))[-1][:, 0]
            self._criticise(_both(states[rows], actions[rows]), rewards[rows] + self._gamma * goes_on[rows] * ahead)
            self._improve(states[rows])
            self._slow_actor.follow(self._actor, TAU)
            self._slow_critic.follow(self._critic, TAU)

    def _criticise(self, given: Floats, wanted: Floats) -> None:
        kept = self._critic.outputs(given)
        wrong = np.clip(kept[-1][:, 0] - wanted, -1.0, 1.0)
        slopes, _ = self._critic.slopes(kept, wrong[:, None] / len(given))
        self._critic.step(slopes, RATES[1])

    def _improve(self, states: Floats) -> None:
        """Along the slope of what the critic says, by what the actor says."""
        kept = self._actor.outputs(states)
        says = _squashed(kept[-1][:, 0])
        judged = self._critic.outputs(_both(states, says))
        _, rises = self._critic.slopes(judged, np.full((len(states), 1), -1.0 / len(states)))
        slopes, _ = self._actor.slopes(kept, (rises[:, -1] * says * (1 - says))[:, None])
        self._actor.step(slopes, RATES[0])


class Net:
    """Layers of rectifiers, the last one without, and Adam to train them."""

    def __init__(self, sizes: Sequence[int], rng: np.random.Generator) -> None:
        self._sizes = sizes
        layers = [rng.uniform(-1, 1, (have + 1, want)) / np.sqrt(have) for have, want in pairwise(sizes)]
        layers[-1] *= 0.1
        self._values = np.concatenate([layer.ravel() for layer in layers])
        self._moments, self._time = np.zeros((2, len(self._values))), 0

    def copy(self) -> Net:
        """Another that says the same."""
        found = Net(self._sizes, np.random.default_rng(0))
        found.follow(self, 1.0)
        return found

    def outputs(self, given: Floats) -> list[Floats]:
        """What goes into each layer, and what comes out of the last one."""
        kept, layers = [given], list(self._layers(self._values))
        for place, layer in enumerate(layers):
            made = kept[-1] @ layer[:-1] + layer[-1]
            kept.append(made if place == len(layers) - 1 else np.maximum(made, 0.0))
        return kept

    def slopes(self, kept: Sequence[Floats], slope: Floats) -> tuple[Floats, Floats]:
        """By all constants, and by what was given, of what has this slope by the outputs."""
        found = np.empty_like(self._values)
        layers = list(zip(self._layers(self._values), self._layers(found), kept[:-1], strict=True))
        for layer, by, given in reversed(layers):
            by[:-1], by[-1] = given.T @ slope, slope.sum(axis=0)
            slope = (slope @ layer[:-1].T) * ((given > 0) if layer is not layers[0][0] else 1.0)
        return found, slope

    def step(self, slopes: Floats, rate: float) -> None:
        """A step of Adam."""
        self._time += 1
        first, second = self._moments
        first += 0.1 * (slopes - first)
        second += 0.001 * (np.square(slopes) - second)
        scaled = np.sqrt(second / (1 - 0.999**self._time)) + 1e-8
        self._values -= rate * first / (1 - 0.9**self._time) / scaled

    def follow(self, other: Net, share: float) -> None:
        """Come nearer to another by a share."""
        self._values += share * (other._values - self._values)

    def _layers(self, flat: Floats) -> Iterator[Floats]:
        """The weights of each layer, its constants in the last row."""
        start = 0
        for have, want in pairwise(self._sizes):
            yield flat[start : (start := start + (have + 1) * want)].reshape(have + 1, want)


def _squashed(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)))


def _both(states: Floats, actions: Floats) -> Floats:
    return np.concatenate([states, actions[:, None]], axis=1)
