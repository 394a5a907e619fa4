// Port mirrors of Open vSwitch: copies of what passes some ports of a bridge leave through another one (ovs-vswitchd.conf.db(5), "Mirror").
//
// {"bridges": {"br0": {"span": {"output_port": "probe0", "select_src_port": ["tap1"]}, "old": null}}}
//
// Its twin in Rust is `../src/`: what one answers, the other answers.

import * as ovsdb from "op-dbus:plugin/ovsdb@0.1.0";
import { ASKS, SCHEMA } from "./texts.js";

const DATABASE = "Open_vSwitch";

function failure(code, message) {
  return { code, message };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw failure("invalid", `no JSON: ${error.message}`);
  }
}

const isObject = (it) => typeof it === "object" && it !== null && !Array.isArray(it);
const isText = (it) => typeof it === "string";
const isNames = (it) => it === undefined || (Array.isArray(it) && it.every(isText));
const isName = (it) => it == null || isText(it);
const isMirror = (it) => isObject(it) && isName(it.output_port) && isNames(it.select_src_port) && isNames(it.select_dst_port);
const has = (object, key) => Object.prototype.hasOwnProperty.call(object, key);

// A mirror with all its keys, in one order, so that two can be compared as text.
function whole({ output_port, select_all, select_src_port, select_dst_port }) {
  const names = (list) => [...(list ?? [])].sort();
  return {
    output_port: output_port ?? null,
    select_all: select_all === true,
    select_src_port: names(select_src_port),
    select_dst_port: names(select_dst_port),
  };
}

// A section, if it is one.
function checked(value) {
  const bridges = isObject(value) ? value.bridges ?? {} : undefined;
  const isBridge = (it) => isObject(it) && Object.values(it).every((mirror) => mirror === null || isMirror(mirror));
  if (!isObject(bridges) || !Object.values(bridges).every(isBridge)) {
    throw failure("invalid", "no section: bridges hold mirrors, and a mirror has ports by name");
  }
  return { bridges };
}

const section = (text) => (text == null ? null : checked(parsed(text)));

// Every place of a section, in order, with the mirror that is to be there.
function places({ bridges }) {
  return Object.keys(bridges).sort().flatMap((bridge) =>
    Object.keys(bridges[bridge]).sort().map((name) => {
      const mirror = bridges[bridge][name];
      return { bridge, name, mirror: mirror === null ? null : whole(mirror) };
    }));
}

function find({ bridges }, { bridge, name }) {
  const mirror = has(bridges, bridge) && has(bridges[bridge], name) ? bridges[bridge][name] : null;
  return mirror === null ? null : whole(mirror);
}

// A set of OVSDB (RFC 7047, section 5.1) as a list: one of one item is written as that item.
function list(set) {
  const isSet = Array.isArray(set) && set[0] === "set";
  return isSet ? set[1] : [set];
}

const uuid = (reference) => (Array.isArray(reference) ? reference[1] : undefined);

function transact(operations) {
  const results = parsed(ovsdb.transact(DATABASE, JSON.stringify(operations)));
  if (!Array.isArray(results)) {
    throw failure("internal", "the database answers with something that is no list of results");
  }
  return results;
}

// The tables that mirrors are made of, by UUID. Of bridges only those that are named, where some are.
function tables(bridges) {
  const select = (table, columns, where = []) => ({ op: "select", table, where, columns });
  const columns = ["name", "mirrors"];
  const wanted = bridges === null ? [select("Bridge", columns)] : bridges.map((name) => select("Bridge", columns, [["name", "==", name]]));
  const mirror = ["_uuid", "name", "output_port", "select_all", "select_src_port", "select_dst_port"];
  const results = transact([...wanted, select("Mirror", mirror), select("Port", ["_uuid", "name"])]);
  const rows = results.map((result) => (isObject(result) && Array.isArray(result.rows) ? result.rows : []));
  const byUuid = (some) => new Map(some.map((row) => [uuid(row._uuid), row]));
  const ports = byUuid(rows.pop() ?? []);
  const mirrors = byUuid(rows.pop() ?? []);
  return { bridges: rows.flat(), mirrors, ports };
}

function query(within) {
  const shown = { bridges: {} };
  const asked = within === null ? null : Object.keys(within.bridges).sort();
  if (asked !== null && asked.length === 0) {
    return shown;
  }
  const { bridges, mirrors, ports } = tables(asked);
  const names = (set) => list(set).map((port) => ports.get(uuid(port))?.name).filter(isText);
  for (const bridge of bridges) {
    const named = within?.bridges[bridge.name] ?? {};
    for (const reference of list(bridge.mirrors)) {
      const row = mirrors.get(uuid(reference));
      // A bridge that is named without mirrors is shown whole.
      const isMeant = Object.keys(named).length === 0 || has(named, row?.name);
      if (row === undefined || !isMeant) {
        continue;
      }
      shown.bridges[bridge.name] ??= {};
      shown.bridges[bridge.name][row.name] = whole({
        output_port: names(row.output_port)[0],
        select_all: row.select_all,
        select_src_port: names(row.select_src_port),
        select_dst_port: names(row.select_dst_port),
      });
    }
  }
  return shown;
}

function diff(current, desired) {
  return places(desired).flatMap(({ bridge, name, mirror: want }) => {
    const have = find(current, { bridge, name });
    if (JSON.stringify(have) === JSON.stringify(want)) {
      return [];
    }
    const text = (mirror) => (mirror === null ? undefined : JSON.stringify({ bridge, name, mirror }));
    const [operation, word] = have === null ? ["create", "copies to"] : want === null ? ["delete", "no longer copies to"] : ["modify", "now copies to"];
    const summary = `${word} ${(want ?? have).output_port ?? "nothing"}`;
    return [{ operation, target: `mirror ${name} of ${bridge}`, before: text(have), after: text(want), summary, disruptive: false }];
  });
}

// What a step carries.
function step({ before, after }) {
  const it = parsed(after ?? before ?? "null");
  if (!isObject(it) || !isText(it.bridge) || !isText(it.name) || !isMirror(it.mirror)) {
    throw failure("invalid", "a step without a mirror");
  }
  return { bridge: it.bridge, name: it.name, mirror: after == null ? null : whole(it.mirror) };
}

// The operations of all steps: one transaction, which holds only if nobody changed a bridge's mirrors meanwhile.
function operations(steps) {
  const { bridges, mirrors, ports } = tables([...new Set(steps.map(({ bridge }) => bridge))].sort());
  const byName = new Map([...ports].map(([id, { name }]) => [name, ["uuid", id]]));
  const port = (name) => {
    if (!byName.has(name)) {
      throw failure("not-found", `there is no port ${name}`);
    }
    return byName.get(name);
  };
  const waits = new Map();
  const changes = steps.flatMap(({ bridge, name, mirror }, number) => {
    const row = bridges.find((it) => it.name === bridge);
    if (row === undefined) {
      throw failure("not-found", `there is no bridge ${bridge}`);
    }
    const where = [["name", "==", bridge]];
    waits.set(bridge, { op: "wait", table: "Bridge", timeout: 0, where, columns: ["mirrors"], until: "==", rows: [{ mirrors: row.mirrors }] });
    const there = list(row.mirrors).find((it) => mirrors.get(uuid(it))?.name === name);
    const mutate = (mutator, reference) => ({ op: "mutate", table: "Bridge", where, mutations: [["mirrors", mutator, ["set", [reference]]]] });
    if (mirror === null) {
      // The row goes with the last reference to it.
      return there === undefined ? [] : [mutate("delete", there)];
    }
    const set = (names) => ["set", names.map(port)];
    const columns = {
      name,
      output_port: mirror.output_port === null ? set([]) : port(mirror.output_port),
      select_all: mirror.select_all,
      select_src_port: set(mirror.select_src_port),
      select_dst_port: set(mirror.select_dst_port),
    };
    if (there !== undefined) {
      return [{ op: "update", table: "Mirror", where: [["_uuid", "==", there]], row: columns }];
    }
    const made = `mirror${number}`;
    return [{ op: "insert", table: "Mirror", "uuid-name": made, row: columns }, mutate("insert", ["named-uuid", made])];
  });
  return changes.length === 0 ? [] : [...waits.values(), ...changes];
}

function apply(actions) {
  const changes = actions.length === 0 ? [] : operations(actions.map(step));
  if (changes.length > 0) {
    transact(changes);
    ovsdb.settle(DATABASE);
  }
  return actions.map(({ target, summary }) => ({ target, summary }));
}

const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");

// What the plugin exports: the interface `state` of wit/state.wit.
export const state = {
  describe() {
    return {
      name: "ovs-mirrors",
      version: "0.1.0",
      summary: "Port mirrors of Open vSwitch",
      schema: JSON.stringify(SCHEMA),
      supports: { checkpoints: true, atomic: true, scopedQuery: true },
      asks: JSON.stringify(ASKS),
    };
  },

  watches() {
    return [{ tag: "ovsdb-table", val: "Open_vSwitch/Mirror" }];
  },

  validate(desired) {
    let wanted;
    try {
      wanted = section(desired);
    } catch ({ message }) {
      return [{ path: "", message }];
    }
    return places(wanted).flatMap(({ bridge, name, mirror }) => {
      const sources = [...(mirror?.select_src_port ?? []), ...(mirror?.select_dst_port ?? [])];
      const path = `/bridges/${escaped(bridge)}/${escaped(name)}`;
      if (mirror === null) {
        return [];
      }
      const problems = [];
      if (mirror.output_port === null) {
        problems.push({ path, message: "the copies go nowhere: name a port in output_port" });
      }
      if (!mirror.select_all && sources.length === 0) {
        problems.push({ path, message: "it copies nothing: name ports in select_src_port or select_dst_port, or set select_all" });
      }
      if (sources.includes(mirror.output_port)) {
        problems.push({ path, message: `${mirror.output_port} is where the copies go; it cannot be one that is copied` });
      }
      return problems;
    });
  },

  query: (within) => JSON.stringify(query(section(within))),

  diff: (current, desired) => diff(section(current), section(desired)),

  apply,

  verify(desired) {
    const wanted = section(desired);
    const current = query(wanted);
    return places(wanted).flatMap(({ bridge, name, mirror }) => {
      const want = JSON.stringify(mirror);
      const have = JSON.stringify(find(current, { bridge, name }));
      const path = `/bridges/${escaped(bridge)}/${escaped(name)}`;
      return have === want ? [] : [{ path, want, have: have === "null" ? undefined : have }];
    });
  },

  checkpoint(within) {
    const asked = section(within);
    return { state: JSON.stringify({ within: asked, then: query(asked) }) };
  },

  rollback({ state }) {
    const kept = parsed(state);
    if (!isObject(kept) || kept.then === undefined) {
      throw failure("invalid", "no checkpoint");
    }
    const now = query(kept.within == null ? null : checked(kept.within));
    const then = checked(kept.then);
    // What has come since goes.
    for (const place of places(now)) {
      if (find(then, place) === null) {
        then.bridges[place.bridge] ??= {};
        then.bridges[place.bridge][place.name] = null;
      }
    }
    return apply(diff(now, then));
  },

  release() {},
};
