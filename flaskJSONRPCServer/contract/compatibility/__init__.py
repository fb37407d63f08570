"""How two OpenRPC documents compare: the documents, the subsumption of their schemas, and the rules of a caller."""
