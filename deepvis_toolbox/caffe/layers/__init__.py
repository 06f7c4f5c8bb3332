"""Caffe's layer types, one file for each kind; `layer_types.LAYER_TYPES` finds them."""
