"""The routes from a URL and a name to a function."""

import threading

import pytest

from flaskJSONRPCServer import RegistrationError
from flaskJSONRPCServer.dispatch.callables import plan_of
from flaskJSONRPCServer.dispatch.locks import lock_key
from flaskJSONRPCServer.dispatch.routes import Route, Router, RouteTable, format_path


def one():
    return 1


def two():
    return 2


def route(name, path="/", function=one):
    return Route(
        name=name,
        path=path,
        function=function,
        plan=plan_of(function, "_connection"),
        lock_key=lock_key(function),
        output_format=None,
        allows_cross_site_get=False,
    )


@pytest.mark.parametrize(
    ("path", "formatted"),
    [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("api", "/api/"),
        ("/api", "/api/"),
        ("api/", "/api/"),
        ("/api/", "/api/"),
        ("a/b", "/a/b/"),
        ("/a/b/", "/a/b/"),
    ],
)
def test_formatted_path(path, formatted):
    assert format_path(path) == formatted


def test_endpoint_is_found_with_and_without_the_final_slash():
    table = RouteTable().with_routes([route("a", "/api/")])

    assert table.endpoints["/api"] is table.endpoints["/api/"]
    assert set(table.endpoints["/api"].routes) == {"a"}
    assert set(table.endpoints) == {"/api", "/api/"}
    assert table.paths() == ["/api/"]


def test_endpoint_has_the_bytes_of_its_path_as_wsgi_gives_them():
    table = RouteTable().with_routes([route("a", "/дом/")])

    assert "/дом".encode().decode("latin-1") in table.endpoints


@pytest.mark.parametrize(
    ("wsgi_path", "path", "name"),
    [
        ("/api/a", "/api/", "a"),
        ("/api/a/", "/api/", "a"),
        ("/a", "/", "a"),
        ("/a/", "/", "a"),
        ("/x/y/a", "/x/y/", "a"),
        ("/api/" + "ж".encode().decode("latin-1"), "/api/", "ж"),
        ("/api/\xff", "/api/", "\ufffd"),
        ("/no/a", None, "a"),
        ("/api/a/b", None, "b"),
    ],
)
def test_endpoint_of_a_method(wsgi_path, path, name):
    table = RouteTable().with_routes([route("a", path) for path in ("/", "/api/", "/x/y/")])

    endpoint, method = table.endpoint_of_method(wsgi_path)
    assert (endpoint and endpoint.path, method) == (path, name)


def test_new_table_leaves_the_old_one_as_it_was():
    old = RouteTable().with_routes([route("a", "/api/")])
    new = old.with_routes([route("b", "/api/", two)])

    assert set(old.endpoints["/api"].routes) == {"a"}
    assert set(new.endpoints["/api"].routes) == {"a", "b"}


def test_routes_cannot_be_changed_in_place():
    table = RouteTable().with_routes([route("a")])

    with pytest.raises(TypeError):
        table.endpoints["/"].routes["b"] = route("b")


def test_same_function_may_take_its_name_again():
    first, second = route("a"), route("a")
    table = RouteTable().with_routes([first]).with_routes([second])

    assert table.endpoints["/"].routes["a"] is second


def test_other_function_may_not_take_a_name():
    table = RouteTable().with_routes([route("a", "/api/")])

    with pytest.raises(RegistrationError, match=r"^'a' on '/api/' is already <function one at .*>; choose another"):
        table.with_routes([route("a", "/api/", two)])


def test_router_adds_all_routes_or_none():
    router = Router(lambda paths: None)
    router.add([route("a")])
    before = router.table

    with pytest.raises(RegistrationError):
        router.add([route("b"), route("a", "/", two)])
    assert router.table is before


def test_table_drops_and_adds_in_one_step():
    old = RouteTable().with_routes([route("a", "/x/"), route("b", "/x/"), route("a", "/y/")])
    new = old.with_replaced([route("a", "/x/", two), route("c", "/z/", two)], lambda old: old.path == "/y/")

    assert [(added.path, added.name, added.function) for added in new.routes()] == [
        ("/x/", "a", two),
        ("/x/", "b", one),
        ("/z/", "c", two),
    ]
    assert new.paths() == ["/x/", "/z/"]
    assert old.find("/x/", "a").function is one
    assert (new.find("/y/", "a"), new.find("/x/", "z")) == (None, None)


def test_table_refuses_two_functions_of_one_name():
    with pytest.raises(RegistrationError, match="'a' on '/' is already"):
        RouteTable().with_replaced([route("a"), route("a", "/", two)], lambda old: True)


def test_router_reports_the_remaining_paths_after_a_replacement():
    seen = []
    router = Router(
        lambda paths: seen.append(("before", paths, router.table.paths())),
        lambda paths: seen.append(("after", paths, router.table.paths())),
    )
    router.replace([route("a", "/x/")], lambda old: False)
    router.replace([route("a", "/y/")], lambda old: True)

    assert seen == [
        ("before", ["/x/"], []),
        ("after", ["/x/"], ["/x/"]),
        ("before", ["/y/"], ["/x/"]),
        ("after", ["/y/"], ["/y/"]),
    ]


def test_router_reports_the_paths_before_the_table_is_used():
    seen = []
    router = Router(lambda paths: seen.append((paths, router.table.paths())))
    router.add([route("a", "/x/")])
    router.add([route("a", "/y/")])

    assert seen == [(["/x/"], []), (["/x/", "/y/"], ["/x/"])]


def test_router_loses_no_route_that_threads_add_at_once():
    router = Router(lambda paths: None)
    barrier = threading.Barrier(8)

    def add(number):
        barrier.wait()
        for index in range(20):
            router.add([route(f"m{number}_{index}")])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(router.table.endpoints["/"].routes) == 160
