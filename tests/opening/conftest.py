"""What the tests of opening share: real Caffe, and a server to fetch from."""

from tests.caffe.real_caffe import real_caffe
from tests.opening.fetch_server import fetched, server
from tests.sources.certificates import certificates

__all__ = ["certificates", "fetched", "real_caffe", "server"]
