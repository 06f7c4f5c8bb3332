"""ONNX files to the one graph: the reader of the format, its operators, and names that people can read."""
