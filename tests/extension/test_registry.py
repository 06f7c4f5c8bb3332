"""The table that everything is added to: what it takes, what it refuses, and what it says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.registry import Registry, Word


def fruits() -> Registry[Word]:
    table: Registry[Word] = Registry("fruit")
    table.add("pear", Word("green and soft"))
    table.add("apple", Word("red and hard"))
    return table


def test_members_are_listed_in_the_order_in_which_they_came_each_with_its_sentence() -> None:
    table = fruits()
    assert list(table) == ["pear", "apple"]
    assert len(table) == 2
    assert table.listed() == ["pear: green and soft", "apple: red and hard"]
    assert [name for name, _ in table.items()] == ["pear", "apple"]
    assert [word.meaning for word in table.values()] == ["green and soft", "red and hard"]


def test_the_sentence_of_a_class_or_a_function_is_the_first_line_of_its_docstring() -> None:
    table: Registry[object] = Registry("thing")

    @table.register("class")
    class Thing:
        """Is of use.

        And more of it.
        """

    @table.register("function")
    def thing() -> None:
        """Does something."""

    assert table["class"] is Thing
    assert table["function"] is thing
    assert table.listed() == ["class: Is of use", "function: Does something"]


def test_a_second_member_of_one_name_is_refused_and_changes_nothing() -> None:
    table = fruits()
    with pytest.raises(ToolboxError, match=r'there is a fruit "pear" already'):
        table.add("pear", Word("yellow"))
    assert table["pear"].meaning == "green and soft"


@pytest.mark.parametrize("name", ["", " ", "a\nb", None, 3])
def test_a_name_that_nobody_could_write_is_refused(name) -> None:
    with pytest.raises(ToolboxError, match="the name of a fruit must be text"):
        fruits().add(name, Word("odd"))


def test_an_unknown_name_is_told_with_the_nearest_and_all_of_them() -> None:
    with pytest.raises(ToolboxError) as error:
        fruits()["aple"]
    assert str(error.value) == 'there is no fruit "aple"; did you mean "apple"? It is one of pear, apple'


@pytest.mark.parametrize("name", [None, 3, ["pear"], {"pear": 1}])
def test_what_is_no_text_is_no_member(name) -> None:
    table = fruits()
    assert name not in table
    with pytest.raises(ToolboxError, match="there is no fruit"):
        table.check(name)


def test_a_name_added_to_a_table_of_members_is_entered_among_the_words_too() -> None:
    words = fruits()
    members: Registry[object] = Registry("fruit", words=words)
    members.add("pear", Word("the one that was declared"))
    members.add("plum", Word("blue"))
    assert words.listed() == ["pear: green and soft", "apple: red and hard", "plum: blue"]


def test_the_home_package_is_imported_at_the_first_look_and_its_members_come_first(users) -> None:
    users.write("house/__init__.py", "")
    users.write("house/one.py", "from table import table\n\n\n@table.register('one')\nclass One:\n    'The first.'\n")
    users.write("house/two.py", "from table import table\n\n\n@table.register('two')\nclass Two:\n    'The second.'\n")
    users.write("table.py", "from deepvis_toolbox.registry import Registry\ntable = Registry('room', home='house')\n")
    program = """
import json, sys
from table import table
before = 'house.one' in sys.modules
@table.register('mine')
class Mine:
    'Added by a user.'
print(json.dumps([before, table.listed()]))
"""
    assert users.python(program) == [False, ["one: The first", "two: The second", "mine: Added by a user"]]


def test_a_member_that_does_not_go_with_the_others_is_refused_and_not_entered() -> None:
    def admit(_: str, word: Word, others: Mapping[str, Word]) -> None:
        if word.meaning in [other.meaning for other in others.values()]:
            raise ToolboxError(f'"{word.meaning}" is said of another fruit')

    table: Registry[Word] = Registry("fruit", admit=admit)
    table.add("pear", Word("green"))
    with pytest.raises(ToolboxError, match='"green" is said of another fruit'):
        table.add("lime", Word("green"))
    assert list(table) == ["pear"]


def test_a_class_gets_its_name_when_it_is_entered_and_keeps_it_when_another_one_is_refused() -> None:
    class Pear:
        name: str

    class Quince:
        name: str

    table: Registry[type] = Registry("fruit", sets_name=True)
    assert table.register("pear")(Pear) is Pear
    assert Pear.name == "pear"
    table.add("quince", Quince)
    with pytest.raises(ToolboxError, match='there is a fruit "quince" already'):
        table.add("quince", Pear)
    assert Pear.name == "pear"


def test_a_thread_that_looks_while_another_one_loads_sees_the_whole_table(users) -> None:
    users.write("house/__init__.py", "")
    users.write("house/one.py", "import time\nfrom table import table\ntable.add('one', int)\ntime.sleep(0.5)\n")
    users.write("house/two.py", "from table import table\ntable.add('two', str)\n")
    users.write("table.py", "from deepvis_toolbox.registry import Registry\ntable = Registry('room', home='house')\n")
    program = """
import json, threading, time
from table import table
threading.Thread(target=lambda: len(table)).start()
time.sleep(0.2)
print(json.dumps(list(table)))
"""
    assert users.python(program) == ["one", "two"]
