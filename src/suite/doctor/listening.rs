//! On which ports processes listen, where the system tells it: the fixed port that a target forgot to make free.

use std::collections::BTreeSet;
use std::path::Path;

use crate::suite::target::family::{self, Kin};

/// Largest table of sockets that is read, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// The state of a socket that listens, in those tables.
const LISTENS: &str = "0A";

/// The ports on which a started process, or what it started, listens; none where the system does not tell.
pub(super) fn ports(root: u32, mark: &str) -> BTreeSet<u16> {
    let nobody = BTreeSet::new();
    let processes = family::living(&Kin {
        root: Some(root),
        group: root,
        mark,
        orphans: false,
        others: &nobody,
    });
    let own: BTreeSet<String> = processes
        .into_iter()
        .flat_map(|id| sockets(&Path::new("/proc").join(id.to_string())))
        .collect();
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .filter(|table| table.len() <= MOST_BYTES)
        .flat_map(|table| listed(&table, &own))
        .collect()
}

/// The inodes of a process' sockets.
fn sockets(process: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(process.join("fd")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?;
            let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
}

/// The ports of a table on which one of these sockets listens.
fn listed(table: &str, own: &BTreeSet<String>) -> Vec<u16> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            if *state != LISTENS || !own.contains(*inode) {
                return None;
            }
            u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
            1: 0100007F:1F41 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n\
            2: 0100007F:1F42 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0\nnonsense";
        let own = BTreeSet::from(["4711".to_owned(), "4712".to_owned()]);
        assert_eq!(listed(table, &own), [8000]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_own_port_is_found() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let own: BTreeSet<String> = sockets(Path::new("/proc/self")).into_iter().collect();
        let table = std::fs::read_to_string("/proc/net/tcp").expect("a table");
        assert!(listed(&table, &own).contains(&port));
    }
}
