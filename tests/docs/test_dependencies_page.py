"""The page of the dependencies lists exactly the packages that an installation downloads."""

import re
from importlib.metadata import requires

from tests.docs.pages import rows

_REQUIREMENT = re.compile(r'([\w-]+)[^;]*(?:; python_version[^;]*)?(?:; extra == "(\w+)")?')


def test_page_has_every_package_with_its_extra():
    on_page = rows("dependencies.md")
    lines = [line for line in requires("flaskJSONRPCServer") if "dev" not in line]
    required = dict(_REQUIREMENT.fullmatch(line).groups() for line in lines)
    del required["flaskJSONRPCServer"]  # of the extra `all`

    assert on_page.keys() == required.keys()
    assert all(on_page[package][0] == f"`{extra}`" for package, extra in required.items() if extra)
