"""The conformance suite of the Model Context Protocol, run against an example on the serving backends."""
