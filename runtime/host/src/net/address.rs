//! Which addresses a connection may lead to.
//!
//! What is not known to be public is not: the list of what is allowed is short, and
//! whatever the registries reserve later is refused until somebody looks at it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// All the world: any grant may lead there.
    Public,
    /// This machine, or a network behind a router: only a grant that says `private`.
    Private,
    /// No place for a task whatever it was granted: no host is there, or it is one that
    /// gives away a cloud's credentials to whoever asks from this machine.
    Nowhere,
}

impl Reach {
    /// Whether a grant, which says `private` or does not, lets a connection get there.
    pub fn within(self, private: bool) -> bool {
        match self {
            Reach::Public => true,
            Reach::Private => private,
            Reach::Nowhere => false,
        }
    }
}

/// How far an address reaches. One that stands for another, in whatever way, reaches
/// as far as that one.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Where clouds tell machines who they are, among addresses that look like others.
/// Azure's, Alibaba's; all others are link-local or reserved.
const METADATA: [Ipv4Addr; 2] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
];
/// AWS's, a unique local address.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn reach_v4(address: Ipv4Addr) -> Reach {
    if METADATA.contains(&address) {
        return Reach::Nowhere;
    }
    match address.octets() {
        [127, ..] | [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Private,
        // Between a provider and its customers (RFC 6598).
        [100, 64..=127, ..] => Reach::Private,
        // "This network", link-local, multicast, reserved, broadcast.
        [0, ..] | [169, 254, ..] | [224..=255, ..] => Reach::Nowhere,
        // Protocols, documentation, the relays of 6to4, benchmarks.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Nowhere,
        [192, 88, 99, _] | [198, 18 | 19, ..] => Reach::Nowhere,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if address == METADATA_V6 {
        return Reach::Nowhere;
    }
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Nowhere,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // Compatible, mapped, translated (RFC 4291, RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, h, l] | [0, 0, 0, 0, 0xffff, 0, h, l] => inner(h, l),
        // NAT64's well-known prefix.
        [0x64, 0xff9b, 0, 0, 0, 0, h, l] => inner(h, l),
        // NAT64's local one (RFC 8215). Who set it up knows at which of two places the inner
        // address is (RFC 6052), and nothing is at the other. Local it is anyway.
        [0x64, 0xff9b, 1, high, mid, low, h, l] => {
            let ([_, third], [fourth, _]) = (mid.to_be_bytes(), low.to_be_bytes());
            let places = [(high, u16::from_be_bytes([third, fourth])), (h, l)];
            let said = places.into_iter().filter(|it| *it != (0, 0));
            let reaches = said.map(|(h, l)| inner(h, l));
            reaches.fold(Reach::Private, Reach::max)
        }
        // 6to4.
        [0x2002, h, l, ..] => inner(h, l),
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // Protocols, Teredo among them; documentation, twice.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Nowhere,
        // Of all that is left only this is handed out.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all(addresses: &str, expected: Reach) {
        for text in addresses.split_whitespace() {
            let address = text.parse().unwrap();
            assert_eq!(reach(address), expected, "{text}");
        }
    }

    #[test]
    fn what_is_public() {
        all(
            "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
            128.0.0.1 168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
            192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
            223.255.255.255
            2606:4700::1111 2a00:1450::1 2001:200::1 2001:4860:4860::8888 2003::1
            ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1",
            Reach::Public,
        );
    }

    #[test]
    fn what_is_behind_a_router_or_on_this_machine() {
        all(
            "127.0.0.1 127.255.255.254 10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1
            100.64.0.1 100.127.255.255
            ::1 fc00::1 fd12:3456::1
            ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 ::ffff:0:192.168.0.1
            64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 2002:7f00:1::1 2002:a00:1::
            64:ff9b:1::8.8.8.8 64:ff9b:1:808:8:800::",
            Reach::Private,
        );
    }

    #[test]
    fn what_no_grant_leads_to() {
        all(
            "0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 192.0.0.1 192.0.0.192 192.0.2.1
            198.51.100.7 203.0.113.9 192.88.99.1 198.18.0.1 198.19.255.255 224.0.0.1
            239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16 100.100.100.200
            :: fe80::1 fec0::1 ff02::1 fd00:ec2::254 100::1 2001::1 2001:2::1 2001:10::1
            2001:20::1 2001:1ff::1 2001:db8::1 3fff::1 3fff:fff::1 4000::1 5f00::1 e000::1
            ::ffff:169.254.169.254 ::169.254.169.254 ::ffff:0:169.254.169.254 ::2
            64:ff9b::169.254.169.254 64:ff9b:1::169.254.169.254 64:ff9b:1:a9fe:a9:fe00::
            2002:a9fe:a9fe::1 ::ffff:0.0.0.0 ::ffff:255.255.255.255 64:ff9b::1",
            Reach::Nowhere,
        );
    }

    #[test]
    fn private_is_asked_for_and_nowhere_is_nowhere() {
        assert!(Reach::Public.within(false) && Reach::Public.within(true));
        assert!(!Reach::Private.within(false) && Reach::Private.within(true));
        assert!(!Reach::Nowhere.within(false) && !Reach::Nowhere.within(true));
    }
}
