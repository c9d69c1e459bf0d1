# SPDX-License-Identifier: Apache-2.0
"""Recipes: the steps from a float network to a quantised one, in order, each of which is done once.

`read_recipe` reads them from YAML and checks every name in it, `follow` takes them, and a `Kept` folder has what they
made, so that a recipe that was ended goes on where it was.
"""

from bitwright.recipe.follow import Done, Followed, follow
from bitwright.recipe.kept import Kept
from bitwright.recipe.read import read_recipe
from bitwright.recipe.step import Material, Result, Step
from bitwright.recipe.steps import STEPS

__all__ = ["STEPS", "Done", "Followed", "Kept", "Material", "Result", "Step", "follow", "read_recipe"]
