// What the plugin says of itself. Its twin in Rust says the same.

const NAMES = { type: "array", items: { type: "string", minLength: 1 }, uniqueItems: true, default: [] };

// The section's schema.
export const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    bridges: {
      description: "By bridge, by name: its mirrors, each written whole; null where there is to be none of that name",
      type: "object",
      additionalProperties: {
        type: "object",
        additionalProperties: {
          type: ["object", "null"],
          additionalProperties: false,
          properties: {
            output_port: { description: "Port that the copies leave through", type: ["string", "null"], minLength: 1 },
            select_all: { description: "Copies all packets", type: "boolean", default: false },
            select_src_port: { description: "Copies packets that come in through these ports", ...NAMES },
            select_dst_port: { description: "Copies packets that leave through these ports", ...NAMES },
          },
        },
      },
    },
  },
};

// The grant that it asks for.
export const ASKS = {
  ovsdb: {
    databases: ["Open_vSwitch"],
    bridges: ["*"],
    ports: ["*"],
    tables: {
      Bridge: ["select", "mutate", "wait"],
      Mirror: ["select", "insert", "update"],
      Port: ["select"],
    },
  },
};
