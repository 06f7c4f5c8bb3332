"""How inputs are written after `--input`, and what each means; `sources` registers there what reads them."""

from __future__ import annotations

from deepvis_toolbox.registry import Registry, Word

INPUT_FORMS: Registry[Word] = Registry("kind of input")
INPUT_FORMS.add("camera:0", Word("a camera by its number, or by its path as in camera:/dev/video1"))
INPUT_FORMS.add("demo", Word("a slow film over photographs, which needs no camera"))
INPUT_FORMS.add("FOLDER", Word("a folder of pictures"))
INPUT_FORMS.add(
    "LIST.txt", Word('a text file with one picture a line, "FILE" or "FILE CLASS_INDEX", or one pair, "FILE FILE"')
)
INPUT_FORMS.add("PICTURE", Word("a picture file (JPEG, PNG, GIF, WebP, TIFF, …), or an array of bands (.npy)"))
INPUT_FORMS.add("VIDEO", Word("a video file"))
INPUT_FORMS.add("URL", Word("a network stream or video"))
INPUT_FORMS.add(
    "screen:X,Y,WIDTH,HEIGHT", Word("a part of the screen; screen alone is all of it (X11, macOS, Windows)")
)
INPUT_FORMS.add(
    "pair:FIRST+SECOND", Word("two of these at a time, as in pair:left.mp4+right.mp4, for a network of pairs")
)
INPUT_FORMS.add("clipboard", Word("the picture that was copied last in another program"))
INPUT_FORMS.add("-", Word("standard input: pictures one after the other, or a film, as another program writes them"))
