"""What people write down, in YAML or after `--set`, as checked, typed values."""
