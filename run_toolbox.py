"""Opens the live toolbox: `python run_toolbox.py --help`. The same as the installed command `deepvis`."""

from deepvis_toolbox.live.toolbox_command import run

if __name__ == "__main__":
    run()
