"""The store of unit images on disk, its layout and cache."""
