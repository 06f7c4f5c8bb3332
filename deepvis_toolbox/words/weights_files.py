"""What files with weights are called."""

ENDINGS = (".pt", ".pth", ".ckpt", ".bin", ".caffemodel", ".h5")
