"""`python -m deepvis_toolbox.pipeline`, the same as `deepvis-pipeline`."""

from deepvis_toolbox.pipeline.pipeline_command import run

if __name__ == "__main__":
    run()
