#!/usr/bin/env bash
# Draws the README's picture of the window: the default network, its own preferred images, and top images among the
# photos that scikit-image brings. Run it in a checkout after `make`; it writes docs/pictures/window.png.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/photos"
data=$($python -c "import pathlib, skimage.data; print(pathlib.Path(skimage.data.__file__).parent)")
for name in coffee.png astronaut.png hubble_deep_field.jpg rocket.jpg chelsea.png retina.jpg ihc.png motorcycle_left.png; do
    cp "$data/$name" "$work/photos/"
done
cp -r models/efficientnet-lite0/unit_images "$work/store"
$python find_maxes/find_max_acts.py --images "$work/photos" --layers block5.add --out "$work/maxes" -q
$python find_maxes/crop_max_patches.py --maxes "$work/maxes" --units block5.add:3 --store "$work/store" -q
$python run_toolbox.py --headless --input demo --goto block5.add:3 --script "b y t t wait wait" \
    --store "$work/store" --snapshot docs/pictures/window.png -q
