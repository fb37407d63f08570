"""Compares two OpenRPC documents: the documents, the subsumption of their schemas, and the rules of a caller."""
