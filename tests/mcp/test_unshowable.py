"""A value whose ``repr()`` fails is refused with the message of any other value."""

import re

import pytest

from flaskJSONRPCServer.dispatch.call_control import check_progress
from flaskJSONRPCServer.mcp import Completion, Form, Message
from flaskJSONRPCServer.mcp.asking.ask import refuse_other_values
from flaskJSONRPCServer.mcp.features.resource_contents import contents_in


class Unshowable:
    def __repr__(self):
        raise ValueError("no repr")


@pytest.mark.parametrize(
    "use",
    [
        lambda value: Message("user", value),
        lambda value: Completion(["a"], total=value).members(),
        lambda value: Completion(["a"], has_more=value).members(),
        lambda value: Form("Which?", value),
        lambda value: refuse_other_values({"seat": value}),
        contents_in,
        check_progress,
        lambda value: check_progress(1, message=value),
    ],
    ids=["message", "total", "more", "form", "question", "contents", "progress", "report"],
)
def test_value_without_a_repr_is_named_by_its_class(use):
    with pytest.raises(TypeError, match=re.escape("<Unshowable without a repr()>")):
        use(Unshowable())


def test_list_without_a_repr_is_named_by_its_class():
    with pytest.raises(TypeError, match=re.escape("<list without a repr()>")):
        Completion([Unshowable()]).members()
