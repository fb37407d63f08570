"""Functions that ask their caller for more, and what lets a call go on in the next request."""
