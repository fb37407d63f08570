"""The packages. Everything else is in pyproject.toml, which cannot add one to those that it finds."""

from setuptools import find_packages, setup

setup(
    # The examples go into the wheel, for `python -m flaskJSONRPCServer -x`.
    packages=[*find_packages(include=["flaskJSONRPCServer*"]), "flaskJSONRPCServer.examples"],
    package_dir={"flaskJSONRPCServer.examples": "examples"},
)
