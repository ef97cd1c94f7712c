"""Types of the user's as schemas, answers as their instances, functions as tools."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

import attrs
import msgspec
import pytest

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.profile.schemas import (
    is_recursive,
    schemas_in,
    with_definitions_at_the_top,
    with_one_object_at_the_top,
    with_references_alone,
)
from airouter_core.tools import schemas as structured


@attrs.frozen
class AttrsCity:
    name: str
    people: int


@dataclasses.dataclass
class DataCity:
    name: str
    people: int


class DictCity(TypedDict):
    name: str
    people: int


@dataclasses.dataclass
class Country:
    capital: DataCity
    cities: list[DataCity]
    size: Literal["small", "large"] = "small"


@dataclasses.dataclass
class Node:
    value: int
    next: Node | None = None


@pytest.mark.parametrize("kind", [AttrsCity, DataCity, DictCity])
def test_a_class_is_asked_for_strictly_and_comes_back_as_its_instance(kind: Any) -> None:
    """The schema is the object itself, closed, all required; the text becomes an instance."""
    response_format = structured.format_of(kind)
    assert response_format.schema is not None
    assert response_format.strict is True
    assert response_format.schema["type"] == "object"
    assert response_format.schema["additionalProperties"] is False
    assert set(response_format.schema["required"]) == {"name", "people"}
    parsed = structured.instance_of(kind, '{"name": "Rome", "people": 3}')
    assert parsed == (kind(name="Rome", people=3))


def test_pydantic_models_bring_their_own_means() -> None:
    """Their schema and their validation are used, and their errors are ours."""
    pydantic = pytest.importorskip("pydantic", reason="is about pydantic models")
    model = pydantic.create_model("City", name=(str, ...), people=(int, ...))
    response_format = structured.format_of(model)
    assert response_format.name == "City"
    assert response_format.strict is True
    assert structured.instance_of(model, '{"name": "Rome", "people": 3}').people == 3
    with pytest.raises(ProtocolError, match="does not fit City"):
        structured.instance_of(model, '{"name": "Rome"}')


def test_nested_classes_are_definitions_below_the_object() -> None:
    """References are resolved by the schema itself; defaults make it lenient."""
    schema = structured.format_of(Country).schema
    assert schema is not None
    assert schema["properties"]["capital"] == {"$ref": "#/$defs/DataCity"}
    assert schema["$defs"]["DataCity"]["additionalProperties"] is False
    assert structured.format_of(Country).strict is None
    country = structured.instance_of(Country, '{"capital": {"name": "Rome", "people": 3}, "cities": []}')
    assert country == Country(DataCity("Rome", 3), [])


def test_a_class_may_refer_to_itself() -> None:
    """The definition stays where the reference finds it."""
    schema = structured.format_of(Node).schema
    assert schema is not None
    assert "Node" in schema["$defs"]
    assert structured.instance_of(Node, '{"value": 1, "next": {"value": 2}}') == Node(1, Node(2))


@pytest.mark.parametrize("text", ["", "no JSON", '{"name": 3, "people": 1}', '{"name": "Rome"}', "[]"])
def test_what_does_not_fit_is_told_with_the_text(text: str) -> None:
    """The error names the class, the reason and the text."""
    with pytest.raises(ProtocolError, match="does not fit DataCity") as caught:
        structured.instance_of(DataCity, text)
    assert text in str(caught.value)


@pytest.mark.parametrize("kind", [int, list[int], complex, dict, dict[str, int]])
def test_only_types_of_objects_are_taken(kind: Any) -> None:
    """Providers want an object at the top."""
    with pytest.raises(ParameterError):
        structured.format_of(kind)


def weather(city: str, unit: Literal["C", "F"] = "C", days: Annotated[int, msgspec.Meta(ge=1, le=7)] = 1) -> str:
    """The weather of a city.

    For up to a week.
    """
    return f"{city} {unit} {days}"


def test_a_function_is_described_by_its_signature_and_docstring() -> None:
    """Name, text, types, choices, ranges, and what is required."""
    tool = structured.tool_of(weather)
    assert tool.name == "weather"
    assert tool.description is not None
    assert tool.description.startswith("The weather of a city.")
    assert tool.input_schema["required"] == ["city"]
    assert tool.input_schema["properties"]["unit"]["enum"] == ["C", "F"]
    assert tool.input_schema["properties"]["days"]["maximum"] == 7
    json.dumps(tool.input_schema)


def test_a_function_is_called_with_checked_arguments() -> None:
    """Defaults hold; what does not fit is said for the model to read, and the function is not called."""
    assert structured.call(weather, {"city": "Rome"}) == "Rome C 1"
    for wrong in ({}, {"city": 3}, {"city": "Rome", "unit": "K"}, {"city": "Rome", "days": 9}, {"town": "Rome"}):
        with pytest.raises(ParameterError, match="do not fit"):
            structured.call(weather, wrong)


def test_arguments_become_instances() -> None:
    """A parameter may be a class."""

    def people(city: DataCity) -> int:
        return city.people

    assert structured.call(people, {"city": {"name": "Rome", "people": 3}}) == 3


def test_functions_that_cannot_be_described_are_refused() -> None:
    """No annotation, or parameters without names."""

    def bare(city):  # type: ignore[no-untyped-def]  # it is about this
        return city

    def many(*cities: str) -> str:
        return ""

    for function in (bare, many):
        with pytest.raises(ParameterError):
            structured.tool_of(function)


@dataclasses.dataclass
class Open:
    counts: dict[str, int]


@dataclasses.dataclass
class Anything:
    value: Any


@dataclasses.dataclass
class Pair:
    both: tuple[int, str]


@dataclasses.dataclass
class Rated:
    score: Annotated[int, msgspec.Meta(ge=1, le=9)]


@pytest.mark.parametrize(
    ("kind", "strict"), [(Open, None), (Anything, None), (Pair, None), (Node, None), (Rated, True)]
)
def test_strict_is_asked_for_where_it_can_be_held(kind: Any, strict: bool | None) -> None:
    """Open mappings, anything at all and tuples are taken by no strict mode; bounds are the vendor's affair."""
    assert structured.format_of(kind).strict is strict


def resolves(schema: Any) -> bool:
    """Whether each reference in a schema leads to a definition at its root, and stands alone."""
    references = [one for one in schemas_in(schema) if "$ref" in one]
    names = {name for one in references for name in [one["$ref"].removeprefix("#/$defs/")]}
    return names <= schema.get("$defs", {}).keys() and all(len(one) == 1 for one in references)


def test_pydantic_models_of_every_shape_resolve() -> None:
    """Nested, described and alternative models: each reference leads somewhere, and stands alone."""
    pydantic = pytest.importorskip("pydantic", reason="is about pydantic models")

    class Address(pydantic.BaseModel):  # type: ignore[name-defined,misc]  # pydantic is there or not
        city: str

    class Person(pydantic.BaseModel):  # type: ignore[name-defined,misc]  # as above
        home: Address = pydantic.Field(description="where they live")
        work: Address

    class Cat(pydantic.BaseModel):  # type: ignore[name-defined,misc]  # as above
        kind: Literal["cat"]

    class Dog(pydantic.BaseModel):  # type: ignore[name-defined,misc]  # as above
        kind: Literal["dog"]
        friend: Address

    class Owner(pydantic.BaseModel):  # type: ignore[name-defined,misc]  # as above
        pet: Cat | Dog = pydantic.Field(discriminator="kind")

    person, owner = structured.format_of(Person), structured.format_of(Owner)
    assert person.schema is not None
    assert owner.schema is not None
    assert (person.strict, owner.strict) == (True, True)
    assert resolves(person.schema)
    home = person.schema["properties"]["home"]
    assert (home["properties"]["city"]["type"], home["description"]) == ("string", "where they live")
    assert "oneOf" not in json.dumps(owner.schema)
    assert resolves(owner.schema)

    def save(person: Person, owner: Owner) -> str:
        """Saves."""
        return str(person.home.city + owner.pet.kind)

    save.__annotations__ = {"person": Person, "owner": Owner, "return": str}  # they are local to this test
    tool = structured.tool_of(save)
    assert resolves(tool.input_schema)
    arguments = {"person": {"home": {"city": "a"}, "work": {"city": "b"}}, "owner": {"pet": {"kind": "cat"}}}
    assert structured.call(save, arguments) == "acat"

    def stroke(pet: Cat | Dog, others: list[Cat | Dog] | None = None) -> str:
        """Strokes."""
        return pet.kind + type(pet).__name__ + "".join(other.kind for other in others or ())

    told = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]
    for kind in (Cat | Dog, told):
        stroke.__annotations__ = {"pet": kind, "others": list[kind] | None, "return": str}  # type: ignore[valid-type]  # as above
        schema = structured.tool_of(stroke).input_schema
        assert resolves(schema)
        assert "oneOf" not in json.dumps(schema)
        dog = {"kind": "dog", "friend": {"city": "a"}}
        assert structured.call(stroke, {"pet": dog, "others": [{"kind": "cat"}]}) == "dogDogcat"
        with pytest.raises(ParameterError, match="do not fit"):
            structured.call(stroke, {"pet": {"kind": "cow"}})


def test_a_pydantic_model_that_refers_to_itself() -> None:
    """Its object stands at the top, and its definition where its own references find it."""
    pydantic = pytest.importorskip("pydantic", reason="is about pydantic models")
    tree = pydantic.create_model("Tree", value=(int, ...), children=("list[Tree]", ...))
    tree.model_rebuild(_types_namespace={"Tree": tree})
    schema = structured.format_of(tree).schema
    assert schema is not None
    assert schema["type"] == "object"
    assert resolves(schema)
    assert is_recursive(schema)
    assert (
        structured.instance_of(tree, '{"value": 1, "children": [{"value": 2, "children": []}]}').children[0].value == 2
    )


def test_a_generic_model_has_a_legal_name() -> None:
    """Brackets in the name of a class are none in the name of a form."""
    pydantic = pytest.importorskip("pydantic", reason="is about pydantic models")
    number = TypeVar("number")

    class Box(pydantic.BaseModel, Generic[number]):  # type: ignore[name-defined,misc]  # pydantic is there or not
        item: number

    box = Box[int]
    assert structured.format_of(box).name == "Box_int_"


def test_definitions_of_one_name_and_two_meanings_are_kept_apart() -> None:
    """What two parts of a schema call alike stays what it was for each."""
    inner = {"$defs": {"A": {"type": "string"}}, "type": "object", "properties": {"x": {"$ref": "#/$defs/A"}}}
    other = {
        "definitions": {"A": {"type": "integer"}},
        "type": "object",
        "properties": {"y": {"$ref": "#/definitions/A"}},
    }
    made = with_definitions_at_the_top({"type": "object", "properties": {"one": inner, "two": other, "three": inner}})
    assert resolves(made)
    found = {
        name: made["$defs"][made["properties"][name]["properties"][key]["$ref"].removeprefix("#/$defs/")]
        for name, key in (("one", "x"), ("two", "y"), ("three", "x"))
    }
    assert found == {"one": {"type": "string"}, "two": {"type": "integer"}, "three": {"type": "string"}}


def test_a_reference_with_words_beside_it_to_itself_stays_a_reference() -> None:
    """What cannot be put in place of the reference stands inside a choice of one."""
    schema = {
        "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N", "description": "the next"}}}},
        "$ref": "#/$defs/N",
        "title": "Chain",
    }
    made = with_references_alone(with_definitions_at_the_top(schema))
    assert (made["type"], made["title"]) == ("object", "Chain")
    assert made["properties"]["next"] == {"anyOf": [{"$ref": "#/$defs/N"}], "description": "the next"}
    assert resolves(made)


def test_alternatives_at_the_root_become_one_object() -> None:
    """With the properties of all; required is what all require; references are followed, and the words kept."""
    one = {"type": "object", "properties": {"a": {"type": "string"}, "c": {}}, "required": ["a", "c"]}
    schema = {
        "description": "Either.",
        "properties": {"z": {}},
        "required": ["z"],
        "anyOf": [one, {"$ref": "#/$defs/B"}, "no schema"],
        "allOf": [{"properties": {"x": {}}, "required": ["x"]}],
        "$defs": {"B": {"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["b", "a"]}},
    }
    made = with_one_object_at_the_top(schema)
    assert made["type"] == "object"
    assert made["properties"]["a"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert sorted(made["properties"]) == ["a", "b", "c", "x", "z"]
    assert made["required"] == ["z", "x"]
    assert made["$defs"] == schema["$defs"]
    assert made["description"].startswith("Either. (allOf: ")
    assert not {"anyOf", "allOf"} & made.keys()
    assert with_one_object_at_the_top(one) == one
    both = with_one_object_at_the_top({"oneOf": [one, {"properties": {"a": {}}, "required": ["a"]}]})
    assert both["required"] == ["a"]


@pytest.mark.parametrize("odd", [True, 1, "x", {"a": 1}, [1]])
def test_alternatives_of_odd_schemas(odd: Any) -> None:
    """What is no list of names, or no object of properties, requires nothing and has none."""
    part = {"properties": {"a": odd}, "required": odd}
    made = with_one_object_at_the_top({"anyOf": [part, {"properties": odd}, {"properties": {"a": {}}}], **part})
    assert made["type"] == "object"
    assert "required" not in made or made["required"] == odd
    assert with_one_object_at_the_top(part) == part
