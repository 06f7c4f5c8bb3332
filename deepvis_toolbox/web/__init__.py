"""The live window in a browser: the same panes, keys and mouse, with another screen."""
