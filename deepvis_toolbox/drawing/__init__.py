"""Tiles, colour maps, text: arrays in, RGB pixels out. Knows nothing of networks."""
