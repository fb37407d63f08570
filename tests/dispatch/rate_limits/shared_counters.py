"""The connections of counters to a storage, which Python would otherwise close at some time."""


def disconnect(counters):
    """Close the connections, if the storage has any."""
    if counters._shared is not None:
        counters._shared.storage.storage.connection_pool.disconnect()
