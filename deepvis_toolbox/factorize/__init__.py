"""Directions in a layer's space, found in its activations over a data set: what `--add-layer` makes units of."""
