"""Every setting: typed, from YAML and `--set`, and where each value came from."""
