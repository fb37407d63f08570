"""Scripts and style sheets without what only people read: each text and each meaning stays."""

import pytest

from flaskJSONRPCServer.console.condensing import condensed_script, condensed_style
from tests.console.host import STATIC


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("// why\n  let a = [\n    1,\n  ];\n", "let a=[1];"),
        ("/** Return. */\nf(a, {\n  b: 1, // one\n});\n", "f(a,{b:1});"),
        ("/**\n * Return.\n */\nlet s = `x`;\n", "let s=`x`;"),
        ('let u = "https://a.test";\n', 'let u="https://a.test";'),
        ("function f() {\n}\nlet a = 1;\n", "function f(){}let a=1;"),
        ("const a = b + +c - -d;\n", "const a=b + +c - -d;"),
        ("return a ? [b] : { c };\n", "return a?[b]:{c};"),
        ("for (const a of [b]) c(a);\n", "for(const a of[b])c(a);"),
        ('let s = "a , b" + \'c : "d\';\n', 'let s="a , b" + \'c : "d\';'),
        ("let s = `a : ${f(`b , ${c} ; d`)} = e`;\n", "let s=`a : ${f(`b , ${c} ; d`)} = e`;"),
        ("let s = `a : ${f({ b: c })} = d`;\n", "let s=`a : ${f({ b: c })} = d`;"),
        ("let a = b.split(/\\s , [\"'/] : /);\n", "let a=b.split(/\\s , [\"'/] : /);"),
        ("let a = b / c, d = e / f;\n", "let a=b / c,d=e / f;"),
    ],
)
def test_script_is_sent_without_what_only_people_read(source, sent):
    assert condensed_script(source).strip() == sent


@pytest.mark.parametrize(
    "source",
    ["let a = b // one\n;\n", 'f("a, // b", 1);\n', "let s = `\n  // text\n`;\n"],
)
def test_script_is_sent_as_it_is_where_a_change_is_not_safe(source):
    assert condensed_script(source) == source


@pytest.mark.parametrize("source", ["let s = `${`${`${`${a}`}`}`} , `;", "let a = b.split(/ , [\"']/);"])
def test_unknown_literal_keeps_its_spaces(source):
    assert condensed_script(source) == source


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("*, ::before {\n    color: red;\n}\n/* why */\n", "*,::before{color:red}"),
        ('p :not(b) > i::after {\n    content: "a : b , c";\n}\n', 'p :not(b) > i::after{content:"a : b , c"}'),
        ("@media (width: 9px) {\n  a { top: calc(1px + 2px); }\n}\n", "@media (width:9px){a{top:calc(1px + 2px)}}"),
    ],
)
def test_style_is_sent_without_what_only_people_read(source, sent):
    assert condensed_style(source).strip() == sent


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda file: file.name)
def test_each_script_of_the_console_is_condensed(file):
    text = file.read_text(encoding="utf-8")

    assert len(condensed_script(text)) < 0.95 * len(text)
    assert " = " not in condensed_script(text).partition('"')[0]
