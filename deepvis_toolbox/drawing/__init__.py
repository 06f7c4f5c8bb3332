"""Tiles, colour maps, text: arrays in, pixels out."""
