"""A backward mode and a backward view from one file: computed as plain torch does, and listed wherever modes are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.caffe.process_passes import check_caffe_mode
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.registry import Word
from deepvis_toolbox.words.backward import BACKWARD_MODES

MODE = '''
"""A mode that lets only negative signals pass, and a view of where the values are."""
import numpy as np

from deepvis_toolbox.drawing.backward_views import register_backward_view
from deepvis_toolbox.network.backward_modes import register_backward_mode


@register_backward_mode("flipped")
def flipped(signal, activation):
    """Only negative signals pass a rectifier."""
    return signal.clamp_max(0)


@register_backward_view("checks")
def checks(values, blur_radius):
    """White squares of four pixels wherever a signal arrives."""
    rows, columns = np.indices(values.shape[:2]) // 4
    return np.where((rows + columns) % 2 & values.any(axis=2), 255, 0).astype(np.uint8)
'''

BY_PLAIN_TORCH = """
import json
import torch
import small_network
from deepvis_toolbox import load_network
IMPORTED


class Flipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx, signal):
        return signal.clamp_max(0)


conv1, _, conv2, _, conv3 = small_network.make()
x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
diff = torch.randn(2, 4, 14, 14, generator=torch.Generator().manual_seed(2))
wanted = x.clone().requires_grad_()
conv3(Flipped.apply(conv2(Flipped.apply(conv1(wanted))))).backward(diff)
net = load_network("small", device="cpu")
found = net.backward(x, "4", diff, mode="flipped")["input" if "input" in net.layers else net.input_name]
grad = net.backward(x, "4", diff)[net.input_name]
error = float((found - wanted.grad).abs().max() / wanted.grad.abs().max())
print(json.dumps([error, float((found - grad).abs().max())]))
"""


@pytest.fixture
def mode(users):
    users.write("mine.py", MODE)
    return users


@pytest.mark.parametrize(
    "how", ["import mine", "from deepvis_toolbox.extensions import load_extension\nload_extension('mine.py')"]
)
def test_an_added_mode_s_gradient_is_plain_torch_s(mode, how: str) -> None:
    error, unlike_grad = mode.python(BY_PLAIN_TORCH.replace("IMPORTED", how))
    assert error < 1e-5
    assert unlike_grad > 1e-3


def test_the_window_starts_with_an_added_mode_and_view_and_shows_what_they_say(mode) -> None:
    done = mode.run(
        "run_toolbox.py", "--extend", "mine.py", "--headless", "--model", "small", "--device", "cpu",
        "--input", "pictures/0.png", "--goto", "4:0", "--set", "live.backward=flipped",
        "--set", "live.backward_view=checks", "--script", "wait z z wait", "--snapshot", "out.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(mode.path / "out.png") as picture:
        made_by = json.loads(picture.text["deepvis_toolbox"])
        pixels = np.asarray(picture.convert("RGB"))
    assert (made_by["backward"], made_by["backward view"], made_by["zoom"]) == ("flipped", "checks", "backward")
    middle = pixels[200:700, 500:1000].reshape(-1, 3)  # the enlarged result: white squares on black
    assert np.ptp(middle, axis=1).max() <= 8  # gray, as the pane beside it nearly is: nothing of the coloured picture
    assert (middle > 200).mean() > 0.1
    assert (middle < 50).mean() > 0.1


def test_keys_reach_an_added_mode_and_view_and_the_help_names_them(mode) -> None:
    program = """
import json
import mine
from deepvis_toolbox.live.layout import key_table
from deepvis_toolbox.live.state import State
keys = key_table()
told = {name: binding.sentence for _, bindings in keys.groups() for binding in bindings for name in binding.names}
def pressed(key, times):
    state = State()
    return [(keys.press(state, key), state.view.backward, state.view.backward_view)[1:] for _ in range(times)]
print(json.dumps([told["b"], told["n"], told["m"], pressed("b", 7), pressed("n", 5), pressed("m", 7)]))
"""
    simple, modes, views, by_b, by_n, by_m = mode.python(program)
    assert simple == "off, grad contributions, grad raw, grad norm, deconv raw, guided raw, flipped raw"
    assert modes == "expert: mode off, grad, deconv, guided, flipped"
    assert views == "expert: view contributions, averaged, raw, gray, norm, norm blurred, checks"
    assert [now for now, _ in by_b] == ["grad", "grad", "grad", "deconv", "guided", "flipped", "off"]
    assert [now for now, _ in by_n] == ["grad", "deconv", "guided", "flipped", "off"]
    assert [view for _, view in by_m] == ["averaged", "raw", "gray", "norm", "norm blurred", "checks", "contributions"]


def test_an_added_mode_and_view_are_listed_by_help_and_on_the_settings_page(mode) -> None:
    window = mode.run("run_toolbox.py", "--extend", "mine.py", "--help").stdout
    assert "flipped: Only negative signals pass a rectifier\n" in window
    assert "checks: White squares of four pixels wherever a signal arrives\n" in window
    crops = " ".join(mode.run("find_maxes/crop_max_patches.py", "--extend", "mine.py", "--help").stdout.split())
    assert "modes grad, deconv, guided, flipped, views raw, gray, norm, norm-blurred, checks;" in crops
    page = mode.run("settings.py", "--extend", "mine.py", "--markdown").stdout
    assert "| one of off, grad, deconv, guided, flipped |" in page
    assert "| one of contributions, averaged, raw, gray, norm, norm blurred, checks |" in page


def test_without_the_file_the_mode_is_unknown_and_the_nearest_is_named(mode) -> None:
    done = mode.run("settings.py", "--set", "live.backward=deconf")
    assert done.returncode == 2
    assert 'must be one of off, grad, deconv, guided; did you mean "deconv"?' in done.stderr
    assert mode.run("settings.py", "--set", "live.backward=flipped").returncode == 2
    assert mode.run("settings.py", "--extend", "mine.py", "--set", "live.backward=flipped").returncode == 0


def test_crops_are_made_with_an_added_mode_and_view(mode) -> None:
    scanned = mode.run(
        "find_maxes/find_max_acts.py", "--model", "small", "--device", "cpu", "--images", "pictures", "--out", "maxes",
        "--layers", "4", "--top", "2", "--workers", "1",
    )  # fmt: skip
    assert scanned.returncode == 0, scanned.stderr
    done = mode.run(
        "find_maxes/crop_max_patches.py", "--extend", "mine.py", "--model", "small", "--device", "cpu", "--maxes",
        "maxes", "--units", "4:0", "--out", "store", "--looks", "flipped:checks", "--count", "2", "--singles",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ": 1 units made" in done.stdout
    (montage,) = (mode.path / "store/max_deconv").rglob("*_0000.jpg")
    values = np.asarray(Image.open(montage)).astype(int)
    assert (values.max(axis=2) - values.min(axis=2)).max() < 40  # in gray, as the view draws: nothing of the pictures
    assert values.max() > 200
    assert values.min() < 50


def test_real_caffe_refuses_a_mode_that_it_cannot_compute(monkeypatch) -> None:
    monkeypatch.setitem(BACKWARD_MODES._members, "flipped", Word("only negative signals pass"))
    for known in ("grad", "deconv", "guided"):
        check_caffe_mode(known)
    with pytest.raises(ToolboxError, match=r'real Caffe computes .* grad, deconv, guided; "flipped" needs the engine'):
        check_caffe_mode("flipped")
    with pytest.raises(ToolboxError, match="unknown backward mode"):
        check_caffe_mode("sideways")
