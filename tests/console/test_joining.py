"""Several modules as one script: each name means what it means in its module."""

import re

import pytest

from flaskJSONRPCServer.console.files import read_files
from flaskJSONRPCServer.console.joining import joined_scripts
from tests.console.host import STATIC


def test_module_comes_after_those_that_it_imports():
    texts = {
        "app.js": 'import { b } from "./b.js";\nimport { h, x } from "./dom.js";\n\nb(h, x);\n',
        "b.js": 'import { c } from "./c.js";\nimport {\n    h,\n} from "./dom.js";\n\nexport const b = () => c(h);\n',
        "c.js": "export async function c() {}\nexport class D {}\n",
        "unused.js": "export const c = 1;\n",
    }

    assert joined_scripts(texts, "app.js") == (
        'import { h, x } from "./dom.js";\nasync function c() {}\nclass D {}\n\nconst b = () => c(h);\n\nb(h, x);\n'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("const c = 2;\n", "c is at the top level of c.js and app.js: rename one"),
        ('import d from "./d.js";\n', "app.js has an import or export of another form: import d from"),
        ("export { c };\n", "app.js has an import or export of another form: export { c };"),
        ("export default 1;\n", "app.js has an import or export of another form: export default 1;"),
    ],
)
def test_modules_that_cannot_be_joined_are_refused(text, problem):
    texts = {"app.js": f'import {{ c }} from "./c.js";\n{text}', "c.js": "export const c = 1;\n"}

    with pytest.raises(ValueError, match=re.escape(problem)):
        joined_scripts(texts, "app.js")


def test_console_is_one_script_with_the_dashboard_apart():
    scripts = {name for name in read_files() if name.endswith(".js") and "/" not in name}
    text = read_files()["app.js"].body.decode()

    assert scripts == {"app.js", "dashboard.js", "dom.js"}
    assert re.findall(r'from"\./(.*?)"|from "\./(.*?)"', text) == [("", "dom.js")]
    assert "class CallPanel" in text


def test_no_module_hides_a_global_of_the_browser_from_another(page):
    texts = [path.read_text(encoding="utf-8") for path in STATIC.glob("*.js") if path.name != "dashboard.js"]
    declared = {
        name
        for text in texts
        for name in re.findall(r"^(?:export )?(?:async )?(?:function\*?|const|let|class) (\w+)", text, re.MULTILINE)
    }
    page.goto("about:blank")

    assert len(declared) > 100
    assert page.evaluate("names => names.filter((name) => name in window)", sorted(declared)) == []
