"""Crops of top images and their deconvs."""
