"""The method: objective, parametrization, regularizers, step policy, and the ascent that composes them."""
