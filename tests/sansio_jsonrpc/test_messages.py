import copy
import pickle
from collections.abc import Sequence

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcInvalidMessage,
    JsonRpcRequest,
    JsonRpcResponse,
)


def test_absent_is_false_and_not_none():
    assert not ABSENT
    assert ABSENT is not None
    assert repr(ABSENT) == "ABSENT"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_absent_survives_pickle_and_copy(again):
    assert again(ABSENT) is ABSENT


@pytest.mark.parametrize(("request_id", "is_notification"), [(ABSENT, True), (None, False), (0, False), ("", False)])
def test_only_a_request_without_an_id_is_a_notification(request_id, is_notification):
    assert JsonRpcRequest("add", id=request_id).is_notification is is_notification
    assert JsonRpcInvalidMessage(request_id, JsonRpcError(1, "no")).is_notification is is_notification


@pytest.mark.parametrize(
    ("response", "is_success"),
    [
        (JsonRpcResponse(1, result=None), True),
        (JsonRpcResponse(1, result=0), True),
        (JsonRpcResponse(1, error=JsonRpcError(1, "no")), False),
    ],
)
def test_response_without_an_error_is_a_success(response, is_success):
    assert response.is_success is response.success is is_success


@pytest.mark.parametrize(
    "message",
    [
        JsonRpcRequest("add", [1], 2),
        JsonRpcResponse(1, result=None),
        JsonRpcInvalidMessage(None, JsonRpcError(1, "no")),
        JsonRpcBatch([JsonRpcRequest("add")]),
    ],
)
def test_messages_are_equal_by_value_and_can_be_pickled(message):
    assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == message
    assert type(copy.copy(message)) is type(message)


def test_batch_is_an_immutable_sequence():
    batch = JsonRpcBatch([JsonRpcRequest("add")])
    assert isinstance(batch, Sequence)
    assert repr(batch) == "JsonRpcBatch((JsonRpcRequest(method='add', params=None, id=ABSENT),))"
    with pytest.raises(TypeError):
        batch[0] = JsonRpcRequest("sub")


def test_error_cannot_be_changed():
    with pytest.raises(AttributeError):
        JsonRpcError(1, "no").code = 2
