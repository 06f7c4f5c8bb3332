"""What ONNX's operators compute, one file a family; each is entered in the table of `operator_table`."""
