"""The window itself: OpenCV, keys, mouse, when to draw."""
