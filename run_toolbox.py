"""Opens the live toolbox: `python run_toolbox.py --help`. The same as the installed command `deepvis`."""

from deepvis_toolbox.programs import window

if __name__ == "__main__":
    window()
