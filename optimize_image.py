"""Makes preferred images of units: `python optimize_image.py --help`. The same as `deepvis-optimize`."""

from deepvis_toolbox.optimize.cli.optimize_command import run

if __name__ == "__main__":
    run()
