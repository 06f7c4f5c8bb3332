"""Caffe's file formats as a torch graph, and real Caffe as an engine."""
