"""The processes of one program, which pass requests on to the one that has their session or task."""
