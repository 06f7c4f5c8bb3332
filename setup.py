"""The packages of the wheel; everything else of the build stands in pyproject.toml. The folder models/ of the checkout
becomes `deepvis_toolbox/models`, without what was downloaded or made there."""

from setuptools import find_packages, setup

MODELS = "deepvis_toolbox.models"

setup(
    packages=[*find_packages(include=["deepvis_toolbox", "deepvis_toolbox.*", "find_maxes", "find_maxes.*"]), MODELS],
    package_dir={MODELS: "models"},
    package_data={
        "deepvis_toolbox": ["py.typed"],
        "deepvis_toolbox.caffe": ["*.proto"],
        "deepvis_toolbox.atlas": ["templates/*.html", "assets/*", "live/*"],
        "deepvis_toolbox.web": ["assets/*"],
        MODELS: ["*/model.yaml", "*/*.prototxt", "*/*.txt", "*/unit_images/**/*.jpg", "*/unit_images/**/*.json"],
    },
    include_package_data=False,
)
