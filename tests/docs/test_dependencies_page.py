"""The page of the dependencies has every package that an installation fetches, and no other."""

import re
from importlib.metadata import requires

from tests.docs.pages import rows

_REQUIREMENT = re.compile(r'([\w-]+)[^;]*(?:; extra == "(\w+)")?')


def test_page_has_every_package_with_its_extra():
    found = rows("dependencies.md")
    wanted = dict(_REQUIREMENT.fullmatch(each).groups() for each in requires("flaskJSONRPCServer") if "dev" not in each)
    del wanted["flaskJSONRPCServer"]  # of the extra `all`

    assert found.keys() == wanted.keys()
    assert all(found[package][0] == f"`{extra}`" for package, extra in wanted.items() if extra)
