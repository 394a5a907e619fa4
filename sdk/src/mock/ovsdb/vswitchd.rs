//! What ovs-vswitchd does with the database: links of bridges and internal ports, port numbers, errors (vswitchd/bridge.c).

use std::collections::{BTreeMap, BTreeSet};

use super::Ovsdb;
use super::value::Datum;
use crate::mock::Kernel;

/// The port number of a bridge's own interface (OFPP_LOCAL).
const LOCAL: i64 = 65534;

/// Tunnels that need the other end's address.
const TUNNELS: [&str; 5] = ["vxlan", "gre", "geneve", "erspan", "ip6gre"];

/// An interface with what it hangs from.
struct Placed {
    uuid: String,
    bridge: String,
    name: String,
    kind: String,
    is_local: bool,
    is_tap: bool,
    mtu: Option<u32>,
    mac: Option<String>,
    options: Datum,
}

impl Ovsdb {
    /// Carries out what the database says.
    pub(super) fn reconcile(&mut self, kernel: &mut Kernel) {
        let mut placed = self.placed();
        take_least_mtu(&mut placed, kernel);
        let is_internal = |it: &&Placed| it.is_local || it.kind == "internal";
        let internal: BTreeMap<String, bool> = placed
            .iter()
            .filter(is_internal)
            .map(|it| (it.name.clone(), it.is_tap))
            .collect();
        let gone: Vec<String> = self
            .made
            .iter()
            .filter(|(name, tap)| internal.get(*name) != Some(tap))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.made.remove(&name);
            kernel.remove_internal_port(&name);
        }
        let switched: BTreeSet<&str> = placed
            .iter()
            .filter(|it| !it.is_tap)
            .map(|it| it.name.as_str())
            .collect();
        for port in kernel.datapath_ports() {
            if !switched.contains(port.as_str()) {
                kernel.leave_datapath(&port);
            }
        }
        for (at, it) in placed.iter().enumerate() {
            let error = self.carry_out(it, kernel).err();
            let number = match error {
                Some(_) => -1,
                None if it.is_local => LOCAL,
                None => at as i64 + 1,
            };
            let link = kernel.link(&it.name);
            let state = link.map(|link| if link.up { "up" } else { "down" });
            let row = self.database.tables.get_mut("Interface");
            let row = row.and_then(|rows| rows.get_mut(&it.uuid));
            let row = row.expect("it was just read");
            row.insert("error".to_owned(), Datum::strings(error));
            row.insert("ofport".to_owned(), Datum::integer(number));
            row.insert("link_state".to_owned(), Datum::strings(state));
        }
        for row in self
            .database
            .tables
            .get_mut("Open_vSwitch")
            .into_iter()
            .flat_map(BTreeMap::values_mut)
        {
            let next = row["next_cfg"].clone();
            row.insert("cur_cfg".to_owned(), next);
        }
    }

    fn placed(&self) -> Vec<Placed> {
        let tables = &self.database.tables;
        let mut placed = Vec::new();
        for (_, bridge) in self.database.rows("Bridge") {
            let bridge_name = bridge["name"].text().unwrap_or_default();
            let is_tap = bridge["datapath_type"].text() == Some("netdev");
            for port in bridge["ports"].uuids() {
                for uuid in tables["Port"][port]["interfaces"].uuids() {
                    let row = &tables["Interface"][uuid];
                    let name = row["name"].text().unwrap_or_default().to_owned();
                    let is_local = name == bridge_name;
                    let hwaddr = bridge["other_config"].get("hwaddr").filter(|_| is_local);
                    placed.push(Placed {
                        uuid: uuid.to_owned(),
                        bridge: bridge_name.to_owned(),
                        kind: row["type"].text().unwrap_or_default().to_owned(),
                        is_local,
                        is_tap,
                        mtu: row["mtu_request"].number().map(|mtu| mtu as u32),
                        mac: hwaddr
                            .or(row["mac"].text().filter(|_| !is_local))
                            .map(str::to_owned),
                        options: row["options"].clone(),
                        name,
                    });
                }
            }
        }
        placed
    }

    /// One interface; the text of `Interface.error` where it cannot be.
    fn carry_out(&mut self, it: &Placed, kernel: &mut Kernel) -> Result<(), String> {
        let name = &it.name;
        match it.kind.as_str() {
            _ if it.is_local => self.internal(it, kernel),
            "internal" => self.internal(it, kernel),
            "" | "system" if kernel.link(name).is_none() => Err(format!(
                "could not open network device {name} (No such device)"
            )),
            "" | "system" => {
                if !it.is_tap && !kernel.join_datapath(name) {
                    return Err(format!(
                        "could not add network device {name} to ofproto (Device or resource busy)"
                    ));
                }
                Ok(())
            }
            "patch" if it.options.get("peer").is_none() => {
                Err(format!("{name}: patch type requires valid 'peer' argument"))
            }
            "patch" => Ok(()),
            tunnel if TUNNELS.contains(&tunnel) => match it.options.get("remote_ip") {
                Some(_) => Ok(()),
                None => Err(format!(
                    "{name}: {tunnel} type requires valid 'remote_ip' argument"
                )),
            },
            _ => Err(format!(
                "could not open network device {name} (Address family not supported by protocol)"
            )),
        }
    }

    fn internal(&mut self, it: &Placed, kernel: &mut Kernel) -> Result<(), String> {
        if !self.made.contains_key(&it.name) {
            if !kernel.make_internal_port(&it.name, it.is_tap) {
                return Err(format!(
                    "could not add network device {} to ofproto (File exists)",
                    it.name
                ));
            }
            self.made.insert(it.name.clone(), it.is_tap);
        }
        let (mtu, mac) = (it.mtu, it.mac.as_deref());
        if (mtu.is_some() || mac.is_some()) && !kernel.set_up_port(&it.name, mtu, mac) {
            return Err(format!("could not configure network device {}", it.name));
        }
        Ok(())
    }
}

/// Internal ports that nothing else is asked of take the least MTU of the links that their bridge has (update_mtu in ofproto/ofproto.c).
fn take_least_mtu(placed: &mut [Placed], kernel: &Kernel) {
    let mut least: BTreeMap<String, u32> = BTreeMap::new();
    for it in placed.iter() {
        let is_link = !it.is_local && matches!(it.kind.as_str(), "" | "system");
        if let Some(link) = kernel.link(&it.name).filter(|_| is_link) {
            let least = least.entry(it.bridge.clone()).or_insert(link.mtu);
            *least = link.mtu.min(*least);
        }
    }
    for it in placed.iter_mut().filter(|it| it.mtu.is_none()) {
        it.mtu = Some(least.get(&it.bridge).copied().unwrap_or(1500));
    }
}

impl Datum {
    /// Adds to the only number.
    pub(super) fn plus(&self, more: i64) -> Self {
        Self::integer(self.number().unwrap_or(0) + more)
    }
}
