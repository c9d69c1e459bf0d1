# SPDX-License-Identifier: Apache-2.0
"""What the page says around its tables."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.methods import agents, material

HEAD = f"""# Methods beside one another

Made by `python -m benchmarks.methods`, which measures what is registered and not in
`benchmarks/data/methods.jsonl` yet; nothing in the tables is written by hand. What each method does and who it
is from is in [Methods](methods.md). A method or a case that is not here has not been measured on all seeds of
both networks yet; the command goes on where it ended.

All methods of a table are given the same: two float networks of three seeds each, `digits_cnn` (scikit-learn's
digits, 8 x 8 pixels, three convolutions and a dense layer) and `mnist5k_ds` (5,000 images of MNIST, depthwise
separable, 3,000 weights); 256 images to calibrate on; where there is training, {material.TRAINED_ON:,} images
at most (878 of the digits), a rate of {material.LR:g}, half of the loss from the whole float network. That is a
short training, the same for all, and no method's own best: the tables tell methods apart, they do not say how
far each can be brought ([Training](training.md) has longer ones). The rate is one
at which LSQ, `magnitude` and `svd` did well in a few trials with one seed; but for it nothing was chosen on the test
images, 719 and 1,500.

Figures are means of three seeds. Accuracy is the share of right answers of the integers that the hardware
computes, in per cent, with its standard error over the seeds. *Less default* is the difference from the first
row of the table, image by image and seed by seed, with the larger of two standard errors, over the images and
over the seeds. LUTs and clocks are those of the design that `compile` makes when it is asked for
{material.CYCLES["digits_cnn"]:,} clocks an image (digits) or {material.CYCLES["mnist5k_ds"]:,} (MNIST); a plan
may be faster. Rows are in the order of what they gain on both networks.

A method **beats a default** if it is better on both networks by more than two standard errors, with at most 2 %
more LUTs. It becomes the default unless in another case of its table it is behind by as much on one of them.
So `obs` became the default of the step `prune`, which was `magnitude`.
"""


class Section(NamedTuple):
    """A table of the page: its title, what is said of it, what is judged by, and whether the cut network
    is shown."""

    title: str
    said: str
    judged: str = "right"
    cut: bool = False


SECTIONS = {
    "quantisers": Section(
        "Quantisers that are trained",
        f"""Weights and activations by LSQ, then one of the two by another quantiser: {material.INTEGERS} epochs from
the float network on. A quantiser with a number of codes of its own has that, whatever the case says, and the other
side has the bits of the case.""",
    ),
    "rounding": Section(
        "Quantising without training",
        "`bw.quantize` by its defaults, then one choice at a time in place of the default.",
    ),
    "criteria": Section(
        "Criteria of what goes",
        f"""Of single weights a share of each layer's (depthwise ones stay), of channels a share of all
multiply-accumulates. Methods look at {material.LOOKED_AT} training images and their labels, and what is left is
solved for on these: *cut* is the accuracy of the float network then. It is trained for {material.FLOATS}
epochs, its zeros zero, and quantised to W4A4 by the defaults.""",
        cut=True,
    ),
    "factors": Section(
        "Layers as products of smaller ones",
        """At most a share of the multiply-accumulates is left; *cut*, training and quantising are as for the criteria.
A layer that would not become smaller stays.""",
        cut=True,
    ),
    "agents": Section(
        "Strategies of searching",
        f"""Of each weight and each tensor {", ".join(map(str, agents.BITS))} bits are searched, within the LUTs of the
design of {agents.BUDGET} bits everywhere, on validation images. Each strategy has {agents.EVALUATIONS}
evaluations, and those that begin with a table of sensitivities (the default) what is left after it has been
measured. *Volume* is the hypervolume of accuracy and LUTs of the designs within the budget, in per cent of the
box of the uniform designs; strategies are judged by it. Accuracy, LUTs and clocks are, on test images, those of
the design that was best on validation images, quantised by the defaults and compiled.""",
        judged="volume",
    ),
}
"""The tables of the page in their order."""
