"""Keeps static neighbours: the MAC addresses that belong to IPv4 addresses on a link, which nobody has to ask for any more.

A section of a state file names links, addresses and MAC addresses; `null` takes an entry away:
{"links": {"eth0": {"192.0.2.7": "02:00:5e:00:53:07", "192.0.2.8": null}}}
"""

import json
from typing import Iterator, List, Optional, Tuple

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.state import (
    Action, CheckpointData, Description, Features, Mismatch, Operation, Outcome, Problem, Watch, Watch_Neighbours,
)
from wit_world.imports import netlink
from wit_world.imports.netlink import Neighbour, NeighbourState, Request_DeleteNeighbour, Request_PutNeighbour
from wit_world.imports.types import Failure, FailureCode

OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "links": {
            "description": "By link, by IPv4 address: the MAC address; null where there is to be no entry",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "propertyNames": {"pattern": f"^{OCTET}([.]{OCTET}){{3}}$"},
                "additionalProperties": {"type": ["string", "null"], "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"},
            },
        },
    },
}

ASKS = {"netlink": {"see": ["*"], "change": ["*"], "networks": ["0.0.0.0/0"]}}


def to_json(value) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid(message: str) -> Err:
    return Err(Failure(FailureCode.INVALID, message, None))


def from_json(text: str):
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid(f"no JSON: {error}") from error


def checked(value) -> dict:
    """A section, if it is one."""
    links = value.get("links", {}) if isinstance(value, dict) else None
    entries = list(links.values()) if isinstance(links, dict) else [None]
    if not all(isinstance(it, dict) and all(mac is None or isinstance(mac, str) for mac in it.values()) for it in entries):
        raise invalid("no section: links hold addresses, and addresses a MAC address or null")
    return {"links": links}


def section(text: str) -> dict:
    return checked(from_json(text))


def entries(section: dict) -> Iterator[Tuple[str, str, Optional[str]]]:
    """Every place of a section, in order, with what is to be there."""
    for link, of_link in sorted(section.get("links", {}).items()):
        for address, mac in sorted(of_link.items()):
            yield link, address, mac


def mac_of(section: dict, link: str, address: str) -> Optional[str]:
    return section.get("links", {}).get(link, {}).get(address)


def place(link: str, address: str) -> str:
    """The place of an entry in the section, a JSON Pointer (RFC 6901)."""
    return "/".join(["", "links"] + [key.replace("~", "~0").replace("/", "~1") for key in (link, address)])


def what_is_wrong(address: str, mac: Optional[str]) -> Optional[str]:
    """What the schema cannot say: an entry is for one neighbour, not for a group of them."""
    first = int(address.split(".")[0])
    if first in (0, 127) or first >= 224:
        return f"{address} is no address of a neighbour; write one below 224.0.0.0"
    if mac is not None and int(mac[:2], 16) & 1:
        return f"{mac} is the address of a group; the first octet of a neighbour's is even"
    return None


def query(within: Optional[dict]) -> dict:
    links: dict = {}
    named = None if within is None else within.get("links", {})
    if named is not None and not named:
        return {"links": links}  # No name would mean every link.
    for it in netlink.neighbours(list(named or [])):
        is_static = it.state == NeighbourState.PERMANENT and not it.proxy
        is_ipv4 = ":" not in it.address
        # A link that is named without addresses is shown whole.
        is_meant = named is None or (it.link in named and (not named[it.link] or it.address in named[it.link]))
        if is_static and is_ipv4 and is_meant and it.mac is not None:
            links.setdefault(it.link, {})[it.address] = it.mac
    return {"links": links}


def step(link: str, address: str, have: Optional[str], want: Optional[str]) -> Action:
    def entry(mac: Optional[str]) -> Optional[str]:
        return None if mac is None else to_json({"link": link, "address": address, "mac": mac})

    if have is None:
        operation, summary = Operation.CREATE, f"add {want}"
    elif want is None:
        operation, summary = Operation.DELETE, f"remove {have}"
    else:
        operation, summary = Operation.MODIFY, f"{have} becomes {want}"
    return Action(operation, f"neighbour {address} on {link}", entry(have), entry(want), summary, False)


def diff(current: dict, desired: dict) -> List[Action]:
    places = [(link, address, mac_of(current, link, address), want) for link, address, want in entries(desired)]
    return [step(link, address, have, want) for link, address, have, want in places if have != want]


def request(action: Action) -> netlink.Request:
    entry = from_json(action.after or action.before or "null")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("link", "address", "mac")):
        raise invalid("a step without an entry")
    neighbour = Neighbour(entry["link"], entry["address"], entry["mac"], NeighbourState.PERMANENT, False, False)
    return Request_DeleteNeighbour(neighbour) if action.after is None else Request_PutNeighbour(neighbour)


def outcome(action: Action, answer) -> Outcome:
    failed = answer.value if isinstance(answer, Err) else None
    if action.operation == Operation.DELETE and failed is not None and failed.code == FailureCode.NOT_FOUND:
        failed = None  # It is gone: what was wanted.
    return Outcome(action.target, action.summary, failed)


def apply(actions: List[Action]) -> List[Outcome]:
    answers = netlink.execute([request(action) for action in actions]) if actions else []
    return [outcome(action, answer) for action, answer in zip(actions, answers, strict=True)]


class State(exports.State):
    """What the plugin exports: the interface `state` of wit/state.wit."""

    def describe(self) -> Description:
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Static IPv4 neighbours of network links",
            schema=to_json(SCHEMA),
            supports=Features(checkpoints=True, atomic=False, scoped_query=True),
            asks=to_json(ASKS),
        )

    def watches(self) -> List[Watch]:
        return [Watch_Neighbours()]

    def validate(self, desired: str) -> List[Problem]:
        try:
            wanted = section(desired)
        except Err as error:
            return [Problem("", error.value.message)]
        wrong = ((link, address, what_is_wrong(address, mac)) for link, address, mac in entries(wanted))
        return [Problem(place(link, address), message) for link, address, message in wrong if message]

    def query(self, within: Optional[str]) -> str:
        return to_json(query(None if within is None else section(within)))

    def diff(self, current: str, desired: str) -> List[Action]:
        return diff(section(current), section(desired))

    def apply(self, actions: List[Action]) -> List[Outcome]:
        return apply(actions)

    def verify(self, desired: str) -> List[Mismatch]:
        wanted = section(desired)
        current = query(wanted)
        places = [(link, address, mac_of(current, link, address), want) for link, address, want in entries(wanted)]
        return [
            Mismatch(place(link, address), to_json(want), None if have is None else to_json(have))
            for link, address, have, want in places if have != want
        ]

    def checkpoint(self, within: Optional[str]) -> CheckpointData:
        asked = None if within is None else section(within)
        return CheckpointData(to_json({"within": asked, "then": query(asked)}), None)

    def rollback(self, to: CheckpointData) -> List[Outcome]:
        kept = from_json(to.state)
        if not isinstance(kept, dict) or "then" not in kept:
            raise invalid("no checkpoint")
        now = query(None if kept.get("within") is None else checked(kept["within"]))
        wanted = checked(kept["then"])
        for link, address, _ in entries(now):  # What has come since goes.
            wanted["links"].setdefault(link, {}).setdefault(address, None)
        return apply(diff(now, wanted))

    def release(self, checkpoint: CheckpointData) -> None:
        pass
