"""A pytest plugin for an environment with niquests: the tests of adapters run over it alone."""

from tests.client.transports import adapters

adapters.KINDS[:] = adapters.NIQUESTS_KINDS
