"""The commands of ``python -m flaskJSONRPCServer``.

`arguments` describes them. Each of the other modules does the work of some, and is loaded when one of these runs: a
command that calls a server loads no Flask.
"""
