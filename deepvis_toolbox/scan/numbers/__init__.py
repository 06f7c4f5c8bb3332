"""What a scan computes: extremes, tables of the best, statistics, correlations."""
