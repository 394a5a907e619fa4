// Keeps static neighbours: the MAC addresses that belong to IPv4 addresses on a link, which nobody has to ask for any more.
//
// A section of a state file names links, addresses and MAC addresses; `null` takes an entry away:
// {"links": {"eth0": {"192.0.2.7": "02:00:5e:00:53:07", "192.0.2.8": null}}}

import * as netlink from "op-dbus:plugin/netlink@0.1.0";

const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    links: {
      description: "By link, by IPv4 address: the MAC address; null where there is to be no entry",
      type: "object",
      additionalProperties: {
        type: "object",
        propertyNames: { pattern: `^${OCTET}([.]${OCTET}){3}$` },
        additionalProperties: { type: ["string", "null"], pattern: "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$" },
      },
    },
  },
};

const ASKS = { netlink: { see: ["*"], change: ["*"], networks: ["0.0.0.0/0"] } };

// Every place of a section, in order, with what is to be there.
function entries(section) {
  return Object.keys(section.links).sort().flatMap((link) =>
    Object.keys(section.links[link]).sort().map((address) => ({ link, address, mac: section.links[link][address] })));
}

function has(object, key) {
  return Object.prototype.hasOwnProperty.call(object, key);
}

function macOf(section, link, address) {
  const { links } = section;
  return has(links, link) && has(links[link], address) ? links[link][address] : null;
}

// An object whose keys are data: it inherits none.
function table() {
  return Object.create(null);
}

// The place of an entry in the section, a JSON Pointer (RFC 6901).
function place(link, address) {
  const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");
  return `/links/${escaped(link)}/${escaped(address)}`;
}

// What the schema cannot say: an entry is for one neighbour, not for a group of them.
function whatIsWrong(address, mac) {
  const first = Number(address.split(".")[0]);
  if (first === 0 || first === 127 || first >= 224) {
    return `${address} is no address of a neighbour; write one below 224.0.0.0`;
  }
  if (mac !== null && parseInt(mac.slice(0, 2), 16) & 1) {
    return `${mac} is the address of a group; the first octet of a neighbour's is even`;
  }
  return undefined;
}

function query(within) {
  const section = { links: table() };
  const names = Object.keys(within?.links ?? {});
  if (within !== null && names.length === 0) {
    return section; // No name would mean every link.
  }
  for (const { link, address, mac, state, proxy } of netlink.neighbours(names)) {
    const isStatic = state === "permanent" && !proxy;
    const isIpv4 = !address.includes(":");
    // A link that is named without addresses is shown whole.
    const isMeant = within === null || (has(within.links, link) &&
      (Object.keys(within.links[link]).length === 0 || has(within.links[link], address)));
    if (isStatic && isIpv4 && isMeant && mac) {
      section.links[link] ??= table();
      section.links[link][address] = mac;
    }
  }
  return section;
}

function diff(current, desired) {
  return entries(desired).flatMap(({ link, address, mac: want }) => {
    const have = macOf(current, link, address);
    if (have === want) {
      return [];
    }
    const entry = (mac) => (mac === null ? undefined : JSON.stringify({ link, address, mac }));
    let operation = "modify";
    let summary = `${have} becomes ${want}`;
    if (have === null) {
      operation = "create";
      summary = `add ${want}`;
    } else if (want === null) {
      operation = "delete";
      summary = `remove ${have}`;
    }
    const target = `neighbour ${address} on ${link}`;
    return [{ operation, target, before: entry(have), after: entry(want), summary, disruptive: false }];
  });
}

function apply(actions) {
  const requests = actions.map((action) => {
    const { link, address, mac } = entryOf(action);
    const neighbour = { link, address, mac, state: "permanent", proxy: false, router: false };
    return { tag: action.after == null ? "delete-neighbour" : "put-neighbour", val: neighbour };
  });
  const answers = requests.length === 0 ? [] : netlink.execute(requests);
  return actions.map(({ operation, target, summary }, index) => {
    const answer = answers[index];
    let failed = answer.tag === "err" ? answer.val : undefined;
    if (operation === "delete" && failed?.code === "not-found") {
      failed = undefined; // It is gone: what was wanted.
    }
    return { target, summary, failed };
  });
}

// What is thrown with a `code` reaches the host as a failure.
function invalid(message) {
  return { code: "invalid", message };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`no JSON: ${error.message}`);
  }
}

const isText = (it) => typeof it === "string";
const isObject = (it) => typeof it === "object" && it !== null && !Array.isArray(it);

// A section, if it is one.
function checked(value) {
  const links = isObject(value) ? value.links ?? {} : undefined;
  const isEntries = (it) => isObject(it) && Object.values(it).every((mac) => mac === null || isText(mac));
  if (!isObject(links) || !Object.values(links).every(isEntries)) {
    throw invalid("no section: links hold addresses, and addresses a MAC address or null");
  }
  return { links };
}

// A section from its text; null where there is none.
function section(text) {
  return text == null ? null : checked(parsed(text));
}

// The entry that a step carries.
function entryOf({ before, after }) {
  const entry = parsed(after ?? before ?? "null");
  if (!isObject(entry) || ![entry.link, entry.address, entry.mac].every(isText)) {
    throw invalid("a step without an entry");
  }
  return entry;
}

// What the plugin exports: the interface `state` of wit/state.wit.
export const state = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      summary: "Static IPv4 neighbours of network links",
      schema: JSON.stringify(SCHEMA),
      supports: { checkpoints: true, atomic: false, scopedQuery: true },
      asks: JSON.stringify(ASKS),
    };
  },

  watches() {
    return [{ tag: "neighbours" }];
  },

  validate(desired) {
    let wanted;
    try {
      wanted = section(desired);
    } catch ({ message }) {
      return [{ path: "", message }];
    }
    return entries(wanted).flatMap(({ link, address, mac }) => {
      const message = whatIsWrong(address, mac);
      return message === undefined ? [] : [{ path: place(link, address), message }];
    });
  },

  query(within) {
    return JSON.stringify(query(section(within)));
  },

  diff(current, desired) {
    return diff(section(current), section(desired));
  },

  apply,

  verify(desired) {
    const wanted = section(desired);
    const current = query(wanted);
    return entries(wanted).flatMap(({ link, address, mac: want }) => {
      const have = macOf(current, link, address);
      const shown = have === null ? undefined : JSON.stringify(have);
      return have === want ? [] : [{ path: place(link, address), want: JSON.stringify(want), have: shown }];
    });
  },

  checkpoint(within) {
    const asked = section(within);
    return { state: JSON.stringify({ within: asked, then: query(asked) }) };
  },

  rollback({ state }) {
    const kept = parsed(state);
    if (!isObject(kept) || kept.then === undefined) {
      throw invalid("no checkpoint");
    }
    const now = query(kept.within == null ? null : checked(kept.within));
    const then = checked(kept.then);
    // What has come since goes.
    for (const { link, address } of entries(now)) {
      if (!has(then.links, link)) {
        then.links[link] = table();
      }
      if (!has(then.links[link], address)) {
        then.links[link][address] = null;
      }
    }
    return apply(diff(now, then));
  },

  release() {},
};
