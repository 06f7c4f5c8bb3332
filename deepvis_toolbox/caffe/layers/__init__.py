"""Caffe's layer types, one file for each kind; `layer_types.register_all` finds them."""
