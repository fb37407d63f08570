"""Networks of addresses."""

import pytest

from flaskJSONRPCServer.http.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[2001:db8::1]:4711", "2001:db8::/64"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("un:known:", "un:known:"),
    ],
)
def test_client_goes_by_the_part_of_its_address_that_it_cannot_choose(address, network):
    assert network_of(address) == network
