"""Where frames come from: camera, video, folder, list, pairs, demo."""
