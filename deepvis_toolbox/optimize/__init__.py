"""Preferred images: regularized gradient ascent in image space."""
