"""The commands of a scan: scan, crop, merge."""
