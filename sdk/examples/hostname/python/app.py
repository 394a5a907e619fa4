"""Names and time zone of the machine, through systemd's services on the message bus: org.freedesktop.hostname1(5) and
org.freedesktop.timedate1(5).

Its twin in Rust is `../src/lib.rs`: what one answers, the other answers.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.state import (
    Action, CheckpointData, Description, Features, Mismatch, Operation, Outcome, Problem, Signal, Watch, Watch_DbusSignal,
)
from wit_world.imports import dbus
from wit_world.imports.dbus import MethodCall, Property
from wit_world.imports.types import Failure, FailureCode

Section = Dict[str, str]

# Read when the component is built.
SCHEMA, ASKS = ((Path(__file__).parent / name).read_text() for name in ("schema.json", "asks.json"))


@dataclass
class Setting:
    """A setting, and who keeps it: the service's interface has its name, and so has its object."""

    service: str
    property: str
    method: str

    def path(self) -> str:
        return "/" + self.service.replace(".", "/")

    def read(self) -> str:
        """Asks the service for the value."""
        answer = from_json(dbus.get_property(Property(self.service, self.path(), self.service, self.property)))
        value = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(value, str):
            raise Err(Failure(FailureCode.INTERNAL, f"{self.property} is no text", None))
        return value

    def write(self, value: str) -> MethodCall:
        """The call that sets the value. Its second argument says whether somebody may be asked for leave."""
        return MethodCall(self.service, self.path(), self.service, self.method, "sb", to_json([value, False]))


SETTINGS = {
    "hostname": Setting("org.freedesktop.hostname1", "StaticHostname", "SetStaticHostname"),
    "pretty_hostname": Setting("org.freedesktop.hostname1", "PrettyHostname", "SetPrettyHostname"),
    "timezone": Setting("org.freedesktop.timedate1", "Timezone", "SetTimezone"),
}


def to_json(value) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid(message: str) -> Err:
    return Err(Failure(FailureCode.INVALID, message, None))


def from_json(text: str):
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid(f"no JSON: {error}") from error


def section(text: str) -> Section:
    value = from_json(text)
    if not isinstance(value, dict) or not all(isinstance(it, str) for it in value.values()):
        raise invalid("no section: a text for each setting")
    return value


def query(within: Optional[Section]) -> Section:
    return {key: setting.read() for key, setting in SETTINGS.items() if within is None or key in within}


def diff(current: Section, desired: Section) -> List[Action]:
    actions = []
    for key, want in sorted(desired.items()):
        have = current.get(key, "")
        if have != want:
            summary = f"{to_json(have)} becomes {to_json(want)}"
            actions.append(Action(Operation.MODIFY, key, to_json(have), to_json(want), summary, False))
    return actions


def call(action: Action) -> MethodCall:
    value = from_json(action.after or "null")
    if action.target not in SETTINGS or not isinstance(value, str):
        raise invalid(f"there is no setting {to_json(action.target)}, or no text for it")
    return SETTINGS[action.target].write(value)


def apply(actions: List[Action]) -> List[Outcome]:
    answers = dbus.call_all([call(action) for action in actions])
    return [
        Outcome(action.target, action.summary, answer.value if isinstance(answer, Err) else None)
        for action, answer in zip(actions, answers, strict=True)
    ]


class State(exports.State):
    """What the plugin exports: the interface `state` of wit/state.wit."""

    def describe(self) -> Description:
        return Description(
            name="hostname",
            version="0.1.0",
            summary="Names and time zone of the machine",
            schema=SCHEMA,
            supports=Features(checkpoints=True, atomic=False, scoped_query=True),
            asks=ASKS,
        )

    def watches(self) -> List[Watch]:
        services = ("org.freedesktop.hostname1", "org.freedesktop.timedate1")
        return [Watch_DbusSignal(Signal(it, "org.freedesktop.DBus.Properties", "PropertiesChanged")) for it in services]

    def validate(self, desired: str) -> List[Problem]:
        try:
            section(desired)
        except Err as error:
            return [Problem("", error.value.message)]
        return []

    def query(self, within: Optional[str]) -> str:
        return to_json(query(None if within is None else section(within)))

    def diff(self, current: str, desired: str) -> List[Action]:
        return diff(section(current), section(desired))

    def apply(self, actions: List[Action]) -> List[Outcome]:
        return apply(actions)

    def verify(self, desired: str) -> List[Mismatch]:
        wanted = section(desired)
        current = query(wanted)
        wrong = [(key, want) for key, want in sorted(wanted.items()) if current.get(key) != want]
        return [Mismatch("/" + key, to_json(want), to_json(current[key]) if key in current else None) for key, want in wrong]

    def checkpoint(self, within: Optional[str]) -> CheckpointData:
        return CheckpointData(self.query(within), None)

    def rollback(self, to: CheckpointData) -> List[Outcome]:
        then = section(to.state)
        return apply(diff(query(then), then))

    def release(self, checkpoint: CheckpointData) -> None:
        pass
