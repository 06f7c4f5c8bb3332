"""The live window: state, keys, worker thread, panes, layout, main loop."""
