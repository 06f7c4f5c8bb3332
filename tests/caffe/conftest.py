"""What the tests of Caffe share."""

from tests.caffe.real_caffe import real_caffe

__all__ = ["real_caffe"]
