"""Calling the transform functions that a program has registered, over its Callbacks service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

from infra.engine.goal import transform_request, transformed
from infra.engine.properties import from_struct, to_struct
from infra.engine.steps import RefusedError
from infra.engine.urn import STACK_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.engine.goal import Goal

__all__ = ["Transforms"]

_DETAILS_LIMIT: Final = 2000


class Transforms:
    """The transforms of one program: those of single resources and their parents, then the stack's."""

    def __init__(self) -> None:
        self._stack: list[callback_pb2.Callback] = []
        self._invokes: list[callback_pb2.Callback] = []
        self._by_parent: dict[str, tuple[tuple[callback_pb2.Callback, ...], str]] = {}

    def add_for_stack(self, callback: callback_pb2.Callback) -> None:
        """Apply a transform to every resource that is registered from now on."""
        self._stack.append(callback)

    def add_for_invokes(self, callback: callback_pb2.Callback) -> None:
        """Apply a transform to the arguments of every function."""
        self._invokes.append(callback)

    def inherit(self, urn: str, callbacks: Iterable[callback_pb2.Callback], parent: str) -> None:
        """Remember the transforms of a resource for its children."""
        self._by_parent[urn] = (tuple(callbacks), parent)

    def apply(self, goal: Goal, own: Iterable[callback_pb2.Callback]) -> Goal:
        """Return the goal after its own transforms, its parents' and the stack's.

        Raises
        ------
        RefusedError
            A transform raised.
        """
        if goal.type == STACK_TYPE or goal.type.startswith("pulumi:providers:"):
            return goal
        callbacks = list(own)
        parent = goal.parent
        while parent in self._by_parent:
            inherited, parent = self._by_parent[parent]
            callbacks.extend(inherited)
        for callback in (*callbacks, *self._stack):
            message = transform_request(goal).SerializeToString()
            response = resource_pb2.TransformResponse.FromString(self._call(callback, message))
            goal = transformed(goal, response)
        return goal

    def apply_to_invoke(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a function after all transforms."""
        current = dict(arguments)
        for callback in self._invokes:
            request = resource_pb2.TransformInvokeRequest(token=token, args=to_struct(current))
            response = self._call(callback, request.SerializeToString())
            current = from_struct(resource_pb2.TransformInvokeResponse.FromString(response).args)
        return current

    def _call(self, callback: callback_pb2.Callback, message: bytes) -> bytes:
        request = callback_pb2.CallbackInvokeRequest(token=callback.token, request=message)
        try:
            # A connection of its own for each call: one that is kept complains aloud when the program ends.
            with grpc.insecure_channel(callback.target) as channel:
                return bytes(callback_pb2_grpc.CallbacksStub(channel).Invoke(request).response)
        except grpc.RpcError as error:
            details = error.details() if isinstance(error, grpc.Call) else str(error)
            text = str(details).partition("error: ")[2] or str(details)
            raise RefusedError(f"a transform failed: {text.strip()[:_DETAILS_LIMIT]}") from error
