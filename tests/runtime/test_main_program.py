"""Globals of the main program: read, evaluated and executed."""

from types import ModuleType

import pytest

from flaskJSONRPCServer.runtime.main_program import MainModule


@pytest.fixture
def module():
    module = ModuleType("main_of_tests")
    module.LIMIT = 3
    module.NAME = "tea"
    return module


@pytest.fixture
def main_program(module):
    return MainModule(lambda: module)


def test_one_global_is_returned_by_its_name(main_program):
    assert main_program.copy_global("LIMIT") == 3


def test_several_globals_are_returned_as_a_dict(main_program):
    assert main_program.copy_global(["NAME", "LIMIT"]) == {"NAME": "tea", "LIMIT": 3}


@pytest.mark.parametrize("names", ["limit", ["LIMIT", "limit"]])
def test_unknown_global_is_a_name_error(main_program, names):
    with pytest.raises(NameError, match="the main program has no global 'limit'"):
        main_program.copy_global(names)


def test_expression_is_evaluated_with_the_globals(main_program):
    assert main_program.evaluate("NAME * LIMIT") == "teateatea"


def test_statements_change_the_globals(main_program, module):
    main_program.execute("LIMIT += 1\nPRICE = LIMIT * 2")
    assert (module.LIMIT, module.PRICE) == (4, 8)


def test_module_is_looked_up_at_each_access(main_program, module):
    modules = [module]
    current = MainModule(lambda: modules[-1])
    modules.append(ModuleType("newer_main_of_tests"))
    modules[-1].LIMIT = 5
    assert current.copy_global("LIMIT") == 5
