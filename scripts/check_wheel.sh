#!/usr/bin/env bash
# Builds the source distribution and from it the wheel, installs the wheel into a fresh environment outside the checkout,
# and runs its commands there, in a folder where a user's own files have the names of the checkout's.
#
# The environment finds PyTorch and the other large packages in the checkout's .venv, by a .pth file: to copy them takes
# minutes and shows nothing more. The .venv holds packages of PyPI only, nothing of the checkout. That the program comes
# from the wheel is checked below, and pip may use no index, so that it stops where a package that the wheel names is
# missing or of another version.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH

say() { printf 'wheel: %s\n' "$*"; }

# Only what git knows or may know: a wheel must not hold what was downloaded, made or built here before.
mkdir "$work/source"
git ls-files -z --cached --others --exclude-standard --deduplicate | xargs -0 cp --parents -t "$work/source"
if ! .venv/bin/python -m build --no-isolation --outdir "$work/dist" "$work/source" > "$work/build.log" 2>&1; then
    tail -30 "$work/build.log"
    exit 1
fi
say "built the source distribution, and from it $(cd "$work/dist" && ls -- *.whl)"

.venv/bin/python -m venv --without-pip "$work/environment"
bin=$work/environment/bin
packages=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
ls "$packages" > "$work/before"
"$checkout/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$packages/large_packages.pth"
"$checkout/.venv/bin/python" -m pip --python "$bin/python" install --disable-pip-version-check --no-index -q "$work"/dist/*.whl
installed=$(ls "$packages" | grep -vxF -f "$work/before" | grep -v -e '\.dist-info$' -e '\.pth$' -e __pycache__ | xargs)
if [ "$installed" != "deepvis_toolbox find_maxes" ]; then
    say "installs other names than its packages': $installed"
    exit 1
fi
say "installs these top-level names: $installed"

# A user's folder. None of these may be imported or read.
mkdir -p "$work/user/models/efficientnet-lite0" "$work/user/pictures"
cd "$work/user"
for name in settings run_toolbox optimize_image find_maxes models deepvis; do
    echo 'raise SystemExit("a file of the user was imported")' > "$name.py"
done
echo 'raise: [' > models/efficientnet-lite0/model.yaml
export PYTHONPATH=$work/user
"$bin/python" -P - << 'END'
from pathlib import Path
import sys

from PIL import Image
from skimage import data

sys.path.remove(str(Path.cwd()))  # for the documented import only: find_maxes.py above is in its way
from deepvis_toolbox import __version__, installation, load_network
from find_maxes import TopImages, scan

assert installation.CHECKOUT is None, installation.CHECKOUT
assert installation.PACKAGE.is_relative_to(sys.prefix), installation.PACKAGE
assert __version__ != "unknown"
assert (installation.PACKAGE / "py.typed").is_file()
photograph = Image.fromarray(data.astronaut())
for number, corner in enumerate([(0, 0), (256, 0), (0, 256), (256, 256)]):
    photograph.crop((*corner, corner[0] + 256, corner[1] + 256)).save(f"pictures/{number}.png")
END
say "the library is the wheel's, with its version and types"

"$bin/deepvis" --headless --input pictures --script "down right b" --snapshot window.png -q
[ -s window.png ]
say "deepvis draws a window without a display"
"$bin/deepvis-optimize" --units fc:9 --seeds 0 --max-iter 3 --store made -q
[ -s made/regularized_opt/fc/fc_0009_montage.jpg ]
say "deepvis-optimize makes a picture in three steps"
"$bin/deepvis-scan" --images pictures --layers fc head --out maxes -q --json > scan.json
"$bin/python" -c 'import json; assert json.load(open("scan.json"))["pictures"] == 4'
say "deepvis-scan looks at four pictures"
"$bin/deepvis-crop" --maxes maxes --units fc:9 --store made -q
[ -s made/max_im/fc/fc_0009.jpg ]
"$bin/deepvis-scan" --images pictures --layers fc --shard 0/1 --out part -q
"$bin/deepvis-merge" part --out merged
"$bin/deepvis-pipeline" --images pictures --units fc:9 --store made --estimate
say "deepvis-crop, deepvis-merge and deepvis-pipeline run"
"$bin/deepvis-settings" --set window.width=900 | grep 'width: 900 .*# --set' > /dev/null
say "deepvis-settings says where values come from"
say "all good, in a folder with a user's own settings.py, models/ and find_maxes.py"
