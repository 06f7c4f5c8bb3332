"""`python -m deepvis_toolbox.pipeline`: unit images with one command."""

import sys

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.pipeline.pipeline_command import main

sys.exit(run_command(main))
