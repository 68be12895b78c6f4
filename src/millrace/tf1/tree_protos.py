"""The protos of BoostedTrees Estimators, which TensorFlow 2 no longer has.

Names and numbers of the fields are those of TensorFlow 1.15's boosted_trees.proto. Fields that
predictions do not need are left out; parsing skips them.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "millrace.tf1"
_FIELD = descriptor_pb2.FieldDescriptorProto

# The number and type by message and field; a list of the type if it is repeated.
_MESSAGES: dict[str, dict[str, tuple[int, str | list[str]]]] = {
    "Leaf": {"scalar": (3, "float")},
    # For bucketized and categorical splits; the second field of the latter is the value.
    "Split": {
        "feature_id": (1, "int32"),
        "threshold": (2, "int32"),
        "left_id": (3, "int32"),
        "right_id": (4, "int32"),
        "dimension_id": (5, "int32"),
    },
    "Node": {
        "leaf": (1, "Leaf"),
        "bucketized_split": (2, "Split"),
        "categorical_split": (3, "Split"),
    },
    "Tree": {"nodes": (1, ["Node"])},
    "TreeEnsemble": {"trees": (1, ["Tree"]), "tree_weights": (2, ["float"])},
}


def parse(serialized: bytes) -> Any:
    """Parses a serialized TreeEnsemble; raises DecodeError if it is not one."""
    return _MESSAGE.FromString(serialized)


def _message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="millrace/boosted_trees.proto", package=_PACKAGE, syntax="proto3"
    )
    scalars = {"float": _FIELD.TYPE_FLOAT, "int32": _FIELD.TYPE_INT32}
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, type_) in fields.items():
            added = message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(type_, list):
                added.label, type_ = _FIELD.LABEL_REPEATED, type_[0]
            if type_ in scalars:
                added.type = scalars[type_]
            else:
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{type_}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.TreeEnsemble"))


_MESSAGE = _message_class()
