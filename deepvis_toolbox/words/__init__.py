"""The words of the whole house: layers, units, modes, kinds. Imports neither torch nor OpenCV."""
