#!/usr/bin/env bash
# Builds official Caffe (CPU only, with pycaffe) for one Python, as the toolbox's second engine (--engine caffe).
#
#     scripts/build_caffe.sh [PREFIX]
#
# PREFIX  where it goes (default: ${XDG_DATA_HOME:-~/.local/share}/deepvis-toolbox/caffe, where the toolbox looks by
#         itself; for another folder set DEEPVIS_CAFFE=PREFIX when you run the toolbox)
# PYTHON  the Python that it is built for (default: the checkout's .venv, else python3); it needs NumPy, SciPy,
#         scikit-image and pip
# JOBS    how many compilers run at once (default: one a CPU core)
#
# The source is BVLC's, from the distribution brocolli-caffe 9.0.2 on PyPI (checked by SHA-256). Compilers and libraries
# are Debian's. Nothing is written outside PREFIX but the Debian packages; your Python's packages stay as they are.
# Run again, it does nothing where a build that works is there, and starts anew where one was broken off.
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"
default_python="$here/.venv/bin/python"
[ -x "$default_python" ] || default_python="$(command -v python3 || true)"
PYTHON="${PYTHON:-$default_python}"
JOBS="${JOBS:-$(nproc)}"
PREFIX="${1:-${XDG_DATA_HOME:-$HOME/.local/share}/deepvis-toolbox/caffe}"
SOURCE="brocolli-caffe==9.0.2 --hash=sha256:c6410cc60bdd6db685d441b66be7df05410f8850ac88d6b75d48ef9b2315c08a"
# What pycaffe needs of its own, put beside it and away from your packages: Debian's protoc (3.21) makes Python code for
# this line of protobuf.
SITE="protobuf==4.25.8 six==1.17.0"
PACKAGES="g++ make cmake libboost-system-dev libboost-filesystem-dev libboost-thread-dev libboost-regex-dev
  libboost-python-dev libprotobuf-dev protobuf-compiler libgoogle-glog-dev libgflags-dev libhdf5-dev libopenblas-dev"

say()  { echo "build_caffe: $*"; }
stop() { echo "build_caffe: $*" >&2; exit 2; }

self_test() {
  say "self-test: a convolution forward and backward, against NumPy"
  PYTHONPATH="$PREFIX/python:$PREFIX/site" GLOG_minloglevel=2 "$PYTHON" - <<'PY'
import os, tempfile
import caffe
import numpy as np

caffe.set_mode_cpu()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "net.prototxt")
    with open(path, "w") as file:
        file.write('''force_backward: true input: "data" input_shape { dim: 1 dim: 2 dim: 5 dim: 6 }
            layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
                    convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }''')
    net = caffe.Net(path, caffe.TEST)
image = np.random.RandomState(0).randn(1, 2, 5, 6).astype("f4")
net.blobs["data"].data[...] = image
net._forward(0, len(net.layers) - 1)
weights, bias = (blob.data for blob in net.params["conv"])
windows = np.lib.stride_tricks.sliding_window_view(image[0], (3, 3), axis=(1, 2))
wanted = np.einsum("cyxij,ocij->oyx", windows, weights) + bias[:, None, None]
np.testing.assert_allclose(net.blobs["conv"].data[0], wanted, rtol=1e-4, atol=1e-5)
net.blobs["conv"].diff[...] = 1
net._backward(len(net.layers) - 1, 0)
np.testing.assert_allclose(net.blobs["data"].diff[0, :, 2, 2], weights.sum(axis=(0, 2, 3)), rtol=1e-4, atol=1e-5)
print("build_caffe: Caffe", caffe.__version__, "works with NumPy", np.__version__)
PY
}

finish() {
  say "ready in $PREFIX"
  say "run the toolbox with: DEEPVIS_CAFFE=$PREFIX python run_toolbox.py --engine caffe …"
}

install_packages() {
  command -v dpkg-query >/dev/null || { say "not Debian: taking for granted what Debian calls: $(echo $PACKAGES)"; return; }
  local missing="" package
  for package in $PACKAGES; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  [ "$(id -u)" -eq 0 ] || stop "Debian packages are missing; run this, then me again: sudo apt-get install -y$missing"
  say "installing Debian packages:$missing"
  apt-get update -qq
  # shellcheck disable=SC2086  # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

fetch_source() {
  say "downloading ${SOURCE%% *}"
  echo "$SOURCE" > "$work/requirements.txt"
  "$PYTHON" -m pip --disable-pip-version-check -q download --no-deps --no-binary brocolli-caffe --require-hashes \
    -r "$work/requirements.txt" -d "$work" 2> "$work/pip.log" \
    || { cat "$work/pip.log" >&2; stop "pip could not download ${SOURCE%% *} (its last words are above)"; }
  tar -xzf "$work"/brocolli-caffe-*.tar.gz -C "$work"
  mv "$work"/brocolli-caffe-*/ "$work/caffe"
}

mend_source() {                       # what has changed in Python, NumPy, protobuf and Debian since 2017
  cd "$work/caffe"
  rm -rf include/caffe/proto src/caffe/proto/caffe.pb.* python/caffe/proto/caffe_pb2.py
  sed -i '/caffe\/test\/test_caffe_main.hpp/d' src/caffe/net.cpp
  sed -i 's/SetTotalBytesLimit(536870912)/SetTotalBytesLimit(2147483647)/' src/caffe/util/io.cpp
  sed -i "s/-lboost_python /-l$boost /; s/-lhdf5_hl -lhdf5 /-lhdf5_serial_hl -lhdf5_serial /" python/CMakeLists.txt
  sed -i 's/as_grey=/as_gray=/; s/\.tostring()/.tobytes()/; s/np\.fromstring(/np.frombuffer(/' python/caffe/io.py
}

compile() {
  local include
  include="$("$PYTHON" -c 'import numpy, sysconfig; print("-I" + sysconfig.get_paths()["include"], "-I" + numpy.get_include())')"
  mkdir -p "$work/build"
  cd "$work/build"
  say "configuring (log: $work/build.log)"
  cmake ../caffe -DCMAKE_BUILD_TYPE=Release -DCPU_ONLY=ON -DUSE_OPENCV=OFF -DUSE_LEVELDB=OFF -DUSE_LMDB=OFF \
    -DANACONDA_HOME="$work/no-anaconda" \
    -DCMAKE_CXX_FLAGS="-w -DWITH_PYTHON_LAYER -DBOOST_BIND_GLOBAL_PLACEHOLDERS $include -I/usr/include/hdf5/serial" \
    > "$work/build.log" 2>&1 || broken
  say "compiling with $JOBS jobs, a few minutes (log: $work/build.log)"
  make -j"$JOBS" pycaffe >> "$work/build.log" 2>&1 || broken
}

broken() { tail -n 30 "$work/build.log" >&2; stop "the build failed; its last lines are above, all of them in $work/build.log"; }

put_in_place() {
  rm -rf "$PREFIX/python" "$PREFIX/site"
  mkdir -p "$PREFIX/python"
  cp -rL "$work/caffe/python/caffe" "$PREFIX/python/caffe"
  strip --strip-unneeded "$PREFIX/python/caffe/_caffe.so"
  # shellcheck disable=SC2086  # a list of words
  "$PYTHON" -m pip --disable-pip-version-check -q install --no-deps --target "$PREFIX/site" $SITE 2> "$work/pip.log" \
    || { cat "$work/pip.log" >&2; stop "pip could not install $SITE into $PREFIX/site"; }
}

PYTHON="$(command -v "$PYTHON" || true)"
[ -n "$PYTHON" ] || stop "no such Python; set PYTHON=/path/to/python"
[ "${PYTHON#/}" != "$PYTHON" ] || PYTHON="$PWD/$PYTHON"       # the folder changes on the way
"$PYTHON" -c 'import numpy, scipy, skimage, pip' \
  || stop "$PYTHON lacks NumPy, SciPy, scikit-image or pip; name another: PYTHON=.venv/bin/python $0"
mkdir -p "$PREFIX"
PREFIX="$(cd "$PREFIX" && pwd)"

if [ -e "$PREFIX/complete" ] && self_test 2>/dev/null; then
  say "already built for $("$PYTHON" -V)"
  finish
  exit 0
fi

rm -f "$PREFIX/complete"
work="$PREFIX/work"
rm -rf "$work"
mkdir -p "$work"
boost="boost_python$("$PYTHON" -c 'import sys; print("%d%d" % sys.version_info[:2])')"
say "building Caffe for $("$PYTHON" -V) ($PYTHON) in $PREFIX"
install_packages
compgen -G "/usr/lib/*/lib$boost.so" >/dev/null || compgen -G "/usr/lib*/lib$boost.so" >/dev/null \
  || stop "this system has no lib$boost: its Boost.Python is for another Python; name that one: PYTHON=/usr/bin/python3 $0"
fetch_source
mend_source
compile
put_in_place
self_test
rm -rf "$work"
date -u +%FT%TZ > "$PREFIX/complete"
finish
