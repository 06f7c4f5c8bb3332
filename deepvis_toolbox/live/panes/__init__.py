"""The window's panes: one module each, which holds all there is to one of them."""
