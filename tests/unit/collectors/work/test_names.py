"""Whose work it is: what the organisation calls a model, and what is said where nobody knows."""

from __future__ import annotations

from collectors.work.names import Names
from collectors.work.options import ModelName, WorkSettings


def named(served, **options):
    told: list[str] = []
    names = Names(WorkSettings("http://x", "vllm", **options), told.append)
    names.look(served)
    return [names.of(one) for one in served], told


def test_model_stands_for_the_only_one_that_is_served():
    assert named([("path/of/it", None)], model="m", model_version="3") == ([ModelName("m", "3")], [])
    assert named([(None, None)], model="m") == ([ModelName("m")], [])


def test_the_servers_own_version_holds_where_none_is_stated():
    assert named([("a", "7")], model="m")[0] == [ModelName("m", "7")]
    assert named([("a", "7")], model="m", model_version="3")[0] == [ModelName("m", "3")]


def test_several_models_need_a_mapping_and_that_is_told_once():
    found, told = named([("a", None), ("b", None), ("a", None)], model="m", model_version="1")
    assert found == [ModelName("a"), ModelName("b"), ModelName("a")]
    assert len(told) == 3  # model stands for none; and for each of the two how to assign it
    assert 'models = { "its name" = "your name" }' in told[0]
    assert 'models = { "a" = "your name" }' in told[1]


def test_a_mapping_names_each_and_leaves_out_helpers():
    models = {"ensemble": ModelName("chat", "2"), "lora-a": ModelName("m")}
    served = [("ensemble", "1"), ("preprocess", "1"), ("lora-a", "1"), ("base", "1")]
    found, told = named(served, model="m", model_version="5", models=models, leave_out=("preprocess",))
    assert found == [ModelName("chat", "2"), None, ModelName("m", "5"), ModelName("m", "5")]
    assert told == []


def test_of_several_the_one_of_that_name_is_meant():
    found, told = named([("m", None), ("adapter", None)], model="m", model_version="1")
    assert found == [ModelName("m", "1"), ModelName("adapter")]
    assert len(told) == 1


def test_a_model_that_appears_later_is_not_taken_for_the_first():
    told: list[str] = []
    names = Names(WorkSettings("http://x", "vllm", "m"), told.append)
    names.look([("a", None)])
    names.look([("a", None), ("b", None)])
    assert (names.of(("a", None)), names.of(("b", None))) == (ModelName("m"), ModelName("b"))
    again = Names(WorkSettings("http://x", "vllm", "m"), told.append)
    again.resume(names.state())
    again.look([("b", None)])
    assert again.of(("b", None)) == ModelName("b")
    renamed = Names(WorkSettings("http://x", "vllm", "other"), told.append)
    renamed.resume(names.state())
    renamed.look([("b", None)])
    assert renamed.of(("b", None)) == ModelName("other")


def test_work_of_nobody_is_unknown_and_told():
    found, told = named([(None, None)], models={"a": ModelName("m")})
    assert found == [ModelName("unknown")]
    assert "does not say which model" in told[0]
