"""Where frames come from: camera, video, stream, picture, folder, list, demo."""
