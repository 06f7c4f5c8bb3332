"""Top images: for every unit, the pictures of a data set that excite it most, and crops of them."""
