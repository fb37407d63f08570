"""Exceptions whose own code raises while somebody looks at them."""


class Lookup(Exception):
    def __getattr__(self, name):
        return {}[name]


class Proxy(Exception):
    def __getattr__(self, name):
        return getattr(self._wrapped, name)


class NoClass(Exception):
    @property
    def __class__(self):
        raise RuntimeError("class")


class NoCause(Exception):
    @property
    def __cause__(self):
        raise RuntimeError("cause")


class NoAttributes(Exception):
    def __getattribute__(self, name):
        raise RuntimeError("attribute")


class NamelessMeta(type):
    def __getattribute__(cls, name):
        raise RuntimeError("name")


class Nameless(Exception, metaclass=NamelessMeta):
    pass


MAKERS = {
    "Lookup": Lookup,
    "Proxy": Proxy,
    "NoClass": NoClass,
    "NoCause": NoCause,
    "NoAttributes": NoAttributes,
    "Nameless": Nameless,
    "SyntaxError": lambda: SyntaxError("bad", ("a.cfg", 3, 1, b"text")),
}
"""By the name of the class, what makes each."""
