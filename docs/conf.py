"""Configuration of Sphinx, for `make docs`. Nothing is fetched while it builds."""

import ast
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def _read_version() -> str:
    tree = ast.parse((_ROOT / "flaskJSONRPCServer" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise ValueError("flaskJSONRPCServer/__init__.py has no literal __version__")


project = "flaskJSONRPCServer"
author = "The flaskJSONRPCServer authors"
project_copyright = author
version = release = _read_version()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"{project} {release}"
