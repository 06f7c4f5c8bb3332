"""Makes preferred images of units: `python optimize_image.py --help`. The same as `deepvis-optimize`."""

from deepvis_toolbox.programs import optimize

if __name__ == "__main__":
    optimize()
