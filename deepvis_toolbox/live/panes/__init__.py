"""The window's panes: one module each, with one function `draw(pixels, state, snapshot, look)`."""
