"""What other networks say of a store's class pictures, what photographs say of them, and where that is kept."""

import json

import numpy as np
import pytest
import torch

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.judging.judge_command import main
from deepvis_toolbox.optimize.files.transfer import Transfer, Verdict, class_units, transfer
from deepvis_toolbox.scan.scanning import scan
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.montage import montage3x3
from deepvis_toolbox.unit_images.naturalness import NaturalRange, mean_of, natural_range, naturalness
from deepvis_toolbox.unit_images.numbers import numbers_of
from deepvis_toolbox.unit_images.picture_file import read_picture, write_picture
from deepvis_toolbox.words.unit import Unit
from tests.optimize.networks import small_classifier

NAMES = ["ant", "bee", "cat", "dog", "eel"]


def model(folder, names=NAMES, order=(0, 1, 2, 3, 4)):
    folder.mkdir()
    (folder / "labels.txt").write_text("\n".join(names[index] for index in order))
    (folder / "model.yaml").write_text(
        "name: small\nframework: torch\nfactory: tests.optimize.networks:small_classifier\n"
        "input: {size: [24, 20], mean: 110, crop: 0.5}\nlabels: labels.txt\nlabel_layers: [fc]\n"
    )
    return folder / "model.yaml"


@pytest.fixture
def store(tmp_path):
    """A montage of class 1, a single picture of class 3."""
    made, random = UnitImageStore(tmp_path / "pictures"), np.random.default_rng(0)
    first, second = random.integers(0, 256, (2, 24, 20, 3), dtype=np.uint8)
    made.write_single("regularized_opt", Unit("fc", 3), "s0000_best_Xpm", second, ".png")
    made.write_single("regularized_opt", Unit("fc", 1), "s0000_best_Xpm", first, ".png")
    return made, first, second


def test_verdicts_are_the_judges_probabilities_of_the_class_of_the_same_name(tmp_path, store):
    pictures, first, second = store
    net = load_network(str(model(tmp_path / "own")), trust=True)
    judge = load_network(str(model(tmp_path / "judge", order=(4, 3, 2, 1, 0))), trust=True)
    units = class_units(net, pictures)
    assert units == [Unit("fc", 1), Unit("fc", 3)]
    found = transfer(net, pictures, units, judge)
    plain = small_classifier()
    x = torch.from_numpy(np.stack([first, second]).transpose(0, 3, 1, 2).astype(np.float32) - 110)
    shares = plain(x).softmax(1).detach().numpy()
    for verdict, own, meant in zip(found.verdicts, shares, (3, 1), strict=True):
        assert abs(verdict.probability - own[meant]) < 1e-4
        assert verdict.rank == int((own > own[meant]).sum())
        assert verdict.said == int(own.argmax())


def test_the_numbers_of_a_transfer_are_those_of_its_verdicts():
    ranks, shares = (0, 3, 4, 5), (0.9, 0.1, 0.05, 0.01)
    found = Transfer(
        tuple(Verdict(Unit("fc", n), rank, share, 0) for n, (rank, share) in enumerate(zip(ranks, shares, strict=True)))
    )
    assert (found.top(1), found.top(5)) == (0.25, 0.75)
    assert abs(found.probability - 0.265) < 1e-9


def test_of_a_montage_the_first_picture_is_judged(tmp_path, store):
    pictures, first, second = store
    net = load_network(str(model(tmp_path / "own")), trust=True)
    single = transfer(net, pictures, [Unit("fc", 1)], net).verdicts[0]
    large = [np.kron(each, np.ones((4, 4, 1), np.uint8)) for each in (first, second)]
    pictures.write_montage("regularized_opt", Unit("fc", 1), montage3x3(large))
    montage = transfer(net, pictures, [Unit("fc", 1)], net).verdicts[0]
    assert abs(montage.probability - single.probability) < 0.05


def test_judges_without_these_classes_and_stores_without_pictures_are_refused(tmp_path, store):
    pictures, *_ = store
    net = load_network(str(model(tmp_path / "own")), trust=True)
    other = load_network(str(model(tmp_path / "other", names=["ant", "bee", "cat", "fox", "gnu"])), trust=True)
    with pytest.raises(ToolboxError, match='knows no class "dog"'):
        transfer(net, pictures, class_units(net, pictures), other)
    with pytest.raises(ToolboxError, match="has no preferred images of classes"):
        class_units(net, UnitImageStore(tmp_path / "empty"))


def test_a_store_that_is_named_is_judged_without_what_came_with_the_model(tmp_path, store, capsys):
    own = model(tmp_path / "own")
    shipped = UnitImageStore(tmp_path / "own" / "unit_images")
    shipped.write_single("regularized_opt", Unit("fc", 0), "s0000", np.full((24, 20, 3), 90, np.uint8))
    asked = ["--model", str(own), "--trust", str(own.parent), "--judge", str(own)]
    assert main([str(store[0].folder), *asked]) == 0
    assert ": 2 pictures" in capsys.readouterr().out
    assert main(asked) == 0
    assert ": 1 picture," in capsys.readouterr().out


def test_the_command_prints_a_line_a_judge_or_everything_as_json(tmp_path, store, capsys):
    own = model(tmp_path / "own")
    asked = [str(store[0].folder), "--model", str(own), "--trust", str(own.parent), "--judge", str(own)]
    assert main(asked) == 0
    line = capsys.readouterr().out
    assert "2 pictures, top-1 " in line
    assert "mean probability of the meant class 0." in line
    assert main([*asked, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["judges"].values()
    assert {each["unit"] for each in found["pictures"]} == {"fc:1", "fc:3"}
    assert main([*asked, "-v"]) == 0
    assert "bee: rank " in capsys.readouterr().out


def test_colour_and_contrast_are_those_of_closed_forms_and_counted_where_they_lie_in_the_range():
    grey, red = np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)
    grey[:, :3], red[..., 0] = 200, 100
    assert naturalness(grey) == pytest.approx((0, 100))
    assert naturalness(red) == pytest.approx((100, 0))
    assert mean_of([naturalness(grey), naturalness(red)]) == pytest.approx((50, 50))
    among = NaturalRange(colour=(0, 60), contrast=(50, 120))
    assert among.shares_inside([naturalness(grey), naturalness(red)]) == (0.5, 0.5)
    steps = [np.full((2, 2, 3), (value, 0, 0), np.uint8) for value in range(101)]
    assert natural_range(steps).colour == pytest.approx((5, 95))


def test_the_command_tells_how_natural_the_pictures_are(tmp_path, store, capsys):
    own = model(tmp_path / "own")
    asked = [str(store[0].folder), "--model", str(own), "--trust", str(own.parent), "--judge", str(own)]
    assert main(asked) == 0
    colour = np.mean([naturalness(picture).colour for picture in store[1:]])
    assert f"colour {colour:.0f} (photographs 7 to 85: 0% inside)" in capsys.readouterr().out
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["colour"] == pytest.approx(colour)
    assert found["pictures"][0]["contrast"] == pytest.approx(naturalness(store[1]).contrast)


@pytest.fixture
def photographs(tmp_path):
    """Twenty-five pictures, the last of which cannot be read."""
    folder, random = tmp_path / "photographs", np.random.default_rng(4)
    folder.mkdir()
    for number in range(24):
        write_picture(folder / f"{number:02d}.png", random.integers(0, 256, (24, 20, 3), dtype=np.uint8))
    (folder / "24.png").write_bytes(b"no picture")
    return folder


def asked_of(tmp_path, store, *more):
    own = model(tmp_path / "own") if not (tmp_path / "own").exists() else tmp_path / "own" / "model.yaml"
    return [str(store.folder), "--model", str(own), "--trust", str(own.parent), "--judge", str(own), "-q", *more]


def inputs_of(folder, net):
    return torch.cat([net.preprocess(read_picture(path)) for path in sorted(folder.glob("*.png"))[:-1]])


def test_beside_photographs_it_tells_naturalness_the_best_of_them_and_the_path(tmp_path, store, photographs, capsys):
    pictures, *_ = store
    asked = asked_of(tmp_path, pictures, "--images", str(photographs))
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    net = load_network(str(tmp_path / "own" / "model.yaml"), trust=True)
    with torch.no_grad():
        values = net.forward(inputs_of(photographs, net), ["fc"])["fc"]
    assert [each["natural"] for each in found["pictures"]] == pytest.approx(values.max(0).values[[1, 3]].tolist())
    for each, picture in zip(found["pictures"], store[1:], strict=True):
        x = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32) - 110)
        reached = net.forward(x, ["fc"])["fc"][0, int(each["unit"][3:])]
        assert each["reached"] == pytest.approx(float(reached), rel=1e-4)
    (judge,) = found["judges"].values()
    assert judge["frechet"]["photographs"] == 24
    assert judge["frechet"]["pictures"] == 2
    assert judge["frechet"]["times"] == pytest.approx(judge["frechet"]["distance"] / judge["frechet"]["halves"])
    assert found["path"]["layers"][0] == "data"
    assert len(found["path"]["among"]) == len(found["path"]["layers"])
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "Fréchet distance (" in said
    assert "times the best photograph's (median)" in said
    assert "path similarity: " in said


def test_a_scan_of_the_same_photographs_says_the_same(tmp_path, store, photographs, capsys):
    asked = asked_of(tmp_path, store[0])
    assert main([*asked, "--images", str(photographs), "--json"]) == 0
    by_folder = json.loads(capsys.readouterr().out)
    net = load_network(str(tmp_path / "own" / "model.yaml"), trust=True)
    scan(net, photographs, layers=["fc"], out=tmp_path / "maxes")
    assert main([*asked, "--maxes", str(tmp_path / "maxes"), "--json"]) == 0
    by_scan = json.loads(capsys.readouterr().out)
    assert by_scan["pictures"] == by_folder["pictures"]
    assert by_scan["path"] == by_folder["path"]


def test_what_it_writes_the_store_tells_of_the_same_picture_and_a_second_judge_adds_to_it(tmp_path, store, photographs):
    pictures = store[0]
    asked = asked_of(tmp_path, pictures, "--write")
    other = model(tmp_path / "judge", order=(4, 3, 2, 1, 0))
    assert main([*asked, "--images", str(photographs), "--plot", str(tmp_path / "plot.png")]) == 0
    first = numbers_of(pictures, Unit("fc", 1))
    assert first.over_natural == pytest.approx(first.reached / first.natural)
    assert 0 <= first.colour <= 255
    asked[asked.index("--judge") + 1] = str(other)
    other.write_text(other.read_text().replace("name: small", "name: other"))
    assert main([*asked, "--trust", str(other.parent)]) == 0
    second = numbers_of(pictures, Unit("fc", 1))
    assert set(second.transfer) == {"small", "other"}
    assert second.path_similarity == first.path_similarity
    assert second.natural == first.natural
    assert read_picture(tmp_path / "plot.png").shape[1] > 300


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--features", "pool"], "name them with --images or --maxes"),
        (["--list", "few.txt"], "name it with --images"),
        (["--plot", "plot.txt"], "ends in .png or .jpg"),
        (["--images", "photographs", "--features", "nowhere"], "nowhere"),
        (["--maxes", "nothing"], "nothing"),
    ],
)
def test_flags_that_do_not_go_together_and_names_of_nothing_are_refused(
    tmp_path, store, photographs, monkeypatch, more, message
):
    monkeypatch.chdir(photographs.parent)
    with pytest.raises(ToolboxError, match=message):
        main(asked_of(tmp_path, store[0], *more))


@pytest.fixture
def hidden(store):
    """The store with pictures of two units of a layer that sees a part of the image, 5×5 pixels."""
    random = np.random.default_rng(7)
    pictures = [random.integers(0, 256, (5, 5, 3), dtype=np.uint8) for _ in range(2)]
    for channel, picture in enumerate(pictures):
        store[0].write_single("regularized_opt", Unit("relu", channel), "s0000_best_Xpm", picture, ".png")
    return store[0], pictures


def plain_path(net, photographs, channel, picture):
    """The mean cosines of a unit's picture to its top photographs, of these to each other and to random ones, from
    plain torch: of the 5×5 pixels that the unit sees, all around the mean colour."""
    plain, x = small_classifier(), inputs_of(photographs, net)
    field = net.receptive_field("relu", (6, 5))
    assert (field.bottom - field.top, field.right - field.left) == (5, 5)

    def alone(patch):
        canvas = torch.zeros(1, 3, 24, 20)
        canvas[0, :, field.top : field.bottom, field.left : field.right] = patch
        return canvas

    with torch.no_grad():
        maps = plain.conv(x)[:, channel].clamp_min(0)
        best = maps.flatten(1).max(1).values.argsort(descending=True)[:9]
        top = []
        for index in best:
            row, column = divmod(int(maps[index].argmax()), maps.shape[2])
            down, across = 2 * row - 2, 2 * column - 2
            padded = torch.nn.functional.pad(x[index], (2, 2, 2, 2))
            top.append(alone(padded[:, down + 2 : down + 7, across + 2 : across + 7]))
        strangers = [alone(each[:, field.top : field.bottom, field.left : field.right]) for each in x]
        own = [alone(torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) - 110))]

        def means(pictures):
            inputs = torch.cat(pictures)
            seen = {"data": inputs[:, :, field.top : field.bottom, field.left : field.right]}
            rows, columns = slice(5, 8), slice(4, 7)  # the places whose middle, 2·i + 0.5, the unit sees
            seen["conv"] = plain.conv(inputs)[:, :, rows, columns]
            return {layer: value.double().mean((2, 3)) for layer, value in seen.items()}

        values = [means(each) for each in (own, top, strangers)]
    whole = []
    for layer in ("data", "conv"):
        mean, deviation = values[2][layer].mean(0), values[2][layer].std(0)
        units = [torch.nn.functional.normalize((each[layer] - mean) / deviation, dim=1) for each in values]
        among = units[1] @ units[1].T
        whole.append([
            float((units[0] @ units[1].T).mean()),
            float((among.sum() - among.trace()) / (9 * 8)),
            float((units[1] @ units[2].T).mean()),
        ])  # fmt: skip
    return np.array(whole)


def test_a_hidden_units_path_is_that_of_the_part_it_sees(tmp_path, hidden, photographs, capsys):
    pictures, (first, second) = hidden
    asked = asked_of(tmp_path, pictures, "--images", str(photographs), "--write", "--plot", str(tmp_path / "plot.png"))
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    net = load_network(str(tmp_path / "own" / "model.yaml"), trust=True)
    assert net.layers_below("relu") in (("data",), ("data", "conv"))
    assert [each["unit"] for each in found["others"]] == ["relu:0", "relu:1"]
    for each, channel, picture in zip(found["others"], (0, 1), (first, second), strict=True):
        preferred, among, random = plain_path(net, photographs, channel, picture).T
        wanted = (preferred - random).mean() / (among - random).mean()
        assert (among - random).mean() > 0.05
        assert each["path_similarity"] == pytest.approx(wanted, abs=2e-3)
        kept = numbers_of(pictures, Unit("relu", channel))
        assert kept.path_similarity == pytest.approx(wanted, abs=2e-3)
        assert f"path {kept.path_similarity:.2f}" in kept.short
    assert read_picture(tmp_path / "plot.png").shape[0] > 900
    assert main(asked) == 0
    assert "relu: 2 pictures, path similarity " in capsys.readouterr().out
    assert main([*(each for each in asked if each != "-q"), "-v"]) == 0
    assert "relu:1: path similarity " in capsys.readouterr().out


def test_a_path_similarity_that_no_longer_holds_is_taken_back(tmp_path, hidden, photographs):
    pictures, _ = hidden
    asked = asked_of(tmp_path, pictures, "--write")
    assert main([*asked, "--images", str(photographs)]) == 0
    units = [Unit("fc", 1), Unit("fc", 3), Unit("relu", 0), Unit("relu", 1)]
    before = {unit: numbers_of(pictures, unit) for unit in units}
    assert any(each.path_similarity is not None for each in before.values())
    assert main(asked) == 0  # photographs were not asked: what they told stays
    assert {unit: numbers_of(pictures, unit) for unit in units} == before
    few = tmp_path / "few"
    few.mkdir()
    for number in range(4):  # all the same: nothing is more alike than random ones
        (few / f"{number}.png").write_bytes((photographs / "00.png").read_bytes())
    assert main([*asked, "--images", str(few)]) == 0
    after = {unit: numbers_of(pictures, unit) for unit in units}
    assert all(each.path_similarity is None for each in after.values())
    assert all(after[unit].reached == before[unit].reached for unit in units)
    assert main([*asked, "--images", str(photographs)]) == 0
    again = {unit: numbers_of(pictures, unit).path_similarity for unit in units}
    assert again == {unit: each.path_similarity for unit, each in before.items()}


def test_a_picture_that_was_made_again_has_no_former_path(tmp_path, hidden, photographs):
    pictures, _ = hidden
    asked = asked_of(tmp_path, pictures, "--write", "--images", str(photographs))
    assert main(asked) == 0
    unit = Unit("relu", 0)
    assert numbers_of(pictures, unit).path_similarity is not None
    other = np.random.default_rng(11).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    pictures.write_single("regularized_opt", unit, "s0000_best_Xpm", other, ".png")
    stale = numbers_of(pictures, unit)
    assert stale is None or stale.path_similarity is None
    assert main(asked) == 0
    assert numbers_of(pictures, unit).path_similarity is not None


def test_hidden_units_alone_are_told_beside_photographs_without_any_judge(tmp_path, photographs, capsys):
    pictures, random = UnitImageStore(tmp_path / "hidden"), np.random.default_rng(3)
    for channel in range(3):
        drawn = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        pictures.write_single("regularized_opt", Unit("relu", channel), "s0000_best_Xpm", drawn, ".png")
    own = model(tmp_path / "own")
    asked = [str(pictures.folder), "--model", str(own), "--trust", str(own.parent), "-q", "--images", str(photographs)]
    assert main([*asked, "--plot", str(tmp_path / "plot.png")]) == 0
    assert capsys.readouterr().out.startswith("relu: 3 pictures, path similarity ")
    with pytest.raises(ToolboxError, match="has no preferred images of classes"):
        main([*asked, "--judge", str(own)])
    with pytest.raises(ToolboxError, match="has no preferred images"):
        main([str(tmp_path / "empty"), *asked[1:]])
    with pytest.raises(ToolboxError, match="nothing to judge by"):
        main(asked[:-2])


def test_classes_are_told_beside_photographs_without_any_judge(tmp_path, store, photographs, capsys):
    asked = asked_of(tmp_path, store[0], "--images", str(photographs))
    judge = asked.index("--judge")
    assert main(asked[:judge] + asked[judge + 2 :]) == 0
    said = capsys.readouterr().out
    assert "path similarity: " in said
    assert "top-1" not in said
