"""No module of the package imports another that leads back to it, not inside a function nor for types alone."""

from __future__ import annotations

import grimp
import pytest

from tests.conftest import ROOT


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> grimp.ImportGraph:
    """Every import between the modules of the tree, wherever in a module it stands."""
    monkeypatch.syspath_prepend(str(ROOT))
    return grimp.build_graph("deepvis_toolbox", "find_maxes", cache_dir=None)


def circles(imports: grimp.ImportGraph) -> list[set[str]]:
    """Sets of modules, each of which is reached from every other one of its set."""
    above = {module: imports.find_upstream_modules(module) for module in imports.modules}
    together = {frozenset({module, *(other for other in above[module] if module in above[other])}) for module in above}
    return [set(modules) for modules in together if len(modules) > 1]


def test_no_module_imports_one_that_leads_back_to_it(imports: grimp.ImportGraph) -> None:
    assert circles(imports) == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("deepvis_toolbox.network.recording", "deepvis_toolbox.network.interface"),
        ("deepvis_toolbox.caffe.engine_recording", "deepvis_toolbox.caffe.engine"),
        ("deepvis_toolbox.errors", "deepvis_toolbox.live.start"),
    ],
)
def test_a_circle_that_is_added_is_found(imports: grimp.ImportGraph, importer: str, imported: str) -> None:
    imports.add_import(importer=importer, imported=imported)
    assert any({importer, imported} <= circle for circle in circles(imports))


def test_imports_inside_functions_and_for_types_alone_are_counted(imports: grimp.ImportGraph) -> None:
    inside_a_function = ("deepvis_toolbox.opening.mean_file", "deepvis_toolbox.caffe.stored_blob")
    for_types_alone = ("deepvis_toolbox.unit_images.claim", "deepvis_toolbox.network.interface")
    for importer, imported in (inside_a_function, for_types_alone):
        assert imported in imports.find_modules_directly_imported_by(importer)
