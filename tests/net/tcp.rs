//! Connections by TCP: where they may lead, and how many there may be.

use std::net::{IpAddr, SocketAddr};

use lovage::net::tcp::BEGUN;
use lovage::net::{Connections, TcpAnswer, TcpBounds, TcpCall, TcpFailure};
use serde_bytes::ByteBuf;

use super::{Told, connections};
use crate::support::peer::Peer;
use crate::support::until;

/// Public, and nobody is there.
const ELSEWHERE: &str = "192.0.1.1";

fn open(names: &[(&str, &[&str])], granted: &[&str]) -> Connections {
    connections(Told::of(names), granted, TcpBounds::default())
}

async fn look_up(open: &Connections, name: &str) -> Result<Vec<IpAddr>, TcpFailure> {
    match open.call(TcpCall::LookUp(name.into())).await? {
        TcpAnswer::Addresses(addresses) => Ok(addresses),
        other => panic!("{other:?}"),
    }
}

async fn connect(open: &Connections, to: SocketAddr) -> Result<u32, TcpFailure> {
    match open.call(TcpCall::Connect(to)).await? {
        TcpAnswer::Connected(number, _) => Ok(number),
        other => panic!("{other:?}"),
    }
}

async fn receive(open: &Connections, number: u32) -> Result<Vec<u8>, TcpFailure> {
    match open.call(TcpCall::Receive(number, 100)).await? {
        TcpAnswer::Received(bytes) => Ok(bytes.into_vec()),
        other => panic!("{other:?}"),
    }
}

/// A failure in a word.
fn name<T>(answered: &Result<T, TcpFailure>) -> &'static str {
    match answered {
        Ok(_) => "answered",
        Err(failure) => match failure {
            TcpFailure::Denied(_) => "denied",
            TcpFailure::Prohibited(_) => "prohibited",
            TcpFailure::Unknown(_) => "unknown",
            TcpFailure::Limit(_) => "limit",
            TcpFailure::Refused(_) => "refused",
            TcpFailure::Timeout(_) => "timeout",
            TcpFailure::Unreachable(_) => "unreachable",
            TcpFailure::Reset => "reset",
            TcpFailure::Closed => "closed",
        },
    }
}

#[tokio::test]
async fn a_granted_name_leads_to_its_host_and_back() {
    let peer = Peer::echo().await;
    let granted = format!("tcp private peer.test:{}", peer.port());
    let open = open(&[("peer.test", &["127.0.0.1"])], &[&granted]);
    let found = look_up(&open, "peer.test").await.unwrap();
    let to = SocketAddr::new(found[0], peer.port());
    let number = connect(&open, to).await.unwrap();
    for part in ["by and ", "by"] {
        let send = TcpCall::Send(number, ByteBuf::from(part.as_bytes()));
        assert_eq!(open.call(send).await, Ok(TcpAnswer::Done));
    }
    assert_eq!(
        open.call(TcpCall::Finish(number)).await,
        Ok(TcpAnswer::Done)
    );
    let mut all = Vec::new();
    loop {
        let some = receive(&open, number).await.unwrap();
        if some.is_empty() {
            break;
        }
        all.extend(some);
    }
    assert_eq!(all, b"by and by");
    assert_eq!(open.call(TcpCall::Close(number)).await, Ok(TcpAnswer::Done));
    assert_eq!(name(&receive(&open, number).await), "closed");
}

#[tokio::test]
async fn what_was_not_granted_leads_nowhere() {
    let peer = Peer::echo().await;
    let port = peer.port();
    let names: &[(&str, &[&str])] = &[
        ("evil.test", &["127.0.0.1"]),
        ("mapped.evil.test", &["::ffff:127.0.0.1"]),
        ("meta.test", &["169.254.169.254"]),
        ("trusted.test", &["127.0.0.1"]),
        ("other.test", &["127.0.0.1"]),
    ];
    let granted = [
        format!("tcp evil.test:{port}"),
        format!("tcp *.evil.test:{port}"),
        format!("tcp private meta.test:{port}"),
        format!("tcp private trusted.test:{port}"),
        format!("http private other.test:{port}"),
        format!("tcp 127.0.0.1:{port}"),
        format!("tcp private 169.254.169.254:{port}"),
    ];
    let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
    let open = open(names, &granted);
    for (host, expected) in [
        ("evil.test", "prohibited"),
        ("EVIL.test.", "unknown"),
        ("mapped.evil.test", "prohibited"),
        ("meta.test", "prohibited"),
        ("other.test", "denied"),
        ("badevil.test", "denied"),
        ("nobody.evil.test", "unknown"),
        ("", "denied"),
    ] {
        assert_eq!(name(&look_up(&open, host).await), expected, "{host}");
    }
    // Nobody has led there yet, or nobody may.
    for (to, expected) in [
        (format!("127.0.0.1:{port}"), "prohibited"),
        (format!("[::ffff:127.0.0.1]:{port}"), "prohibited"),
        (format!("[::1]:{port}"), "denied"),
        (format!("169.254.169.254:{port}"), "prohibited"),
        (format!("127.0.0.2:{port}"), "denied"),
        ("127.0.0.1:1".to_owned(), "denied"),
        (format!("{ELSEWHERE}:{port}"), "denied"),
    ] {
        let answered = connect(&open, to.parse().unwrap()).await;
        assert_eq!(name(&answered), expected, "{to}");
    }
    assert_eq!(peer.connections().0, 0);
    // The name that may lead there opens its own port, and no other.
    look_up(&open, "trusted.test").await.unwrap();
    let denied = connect(&open, "127.0.0.1:1".parse().unwrap()).await;
    assert_eq!(name(&denied), "denied");
    let text = denied.unwrap_err().to_string();
    assert!(text.contains("`tcp trusted.test:1`"), "{text}");
    connect(&open, peer.address()).await.unwrap();
}

#[tokio::test]
async fn a_name_that_changes_its_mind_leads_nowhere_new() {
    let peer = Peer::echo().await;
    let granted = format!("tcp rebound.test:{}", peer.port());
    let names: &[(&str, &[&str])] = &[("rebound.test", &[ELSEWHERE, "127.0.0.1"])];
    let open = open(names, &[&granted]);
    assert_eq!(
        look_up(&open, "rebound.test").await.unwrap(),
        [ELSEWHERE.parse::<IpAddr>().unwrap()]
    );
    // What the guest's own resolver says by now counts for nothing.
    assert_eq!(name(&connect(&open, peer.address()).await), "denied");
    assert_eq!(name(&look_up(&open, "rebound.test").await), "prohibited");
    assert_eq!(name(&connect(&open, peer.address()).await), "denied");
    assert_eq!(peer.connections().0, 0);
}

#[tokio::test]
async fn each_bound_holds() {
    let peer = Peer::silent().await;
    let granted = format!("tcp private 127.0.0.1:{}", peer.port());
    let bounds = TcpBounds {
        connections: 2,
        bytes: 100,
    };
    let open = connections(Told::of(&[]), &[&granted], bounds);
    let first = connect(&open, peer.address()).await.unwrap();
    connect(&open, peer.address()).await.unwrap();
    let third = connect(&open, peer.address()).await;
    assert_eq!(name(&third), "limit");
    let text = third.unwrap_err().to_string();
    assert!(text.contains("2 connections at a time"), "{text}");
    // One that is closed makes room, once.
    for _ in 0..2 {
        open.call(TcpCall::Close(first)).await.unwrap();
    }
    let number = connect(&open, peer.address()).await.unwrap();
    assert_eq!(name(&connect(&open, peer.address()).await), "limit");
    let send = |bytes: usize| TcpCall::Send(number, ByteBuf::from(vec![b'a'; bytes]));
    assert_eq!(open.call(send(100)).await, Ok(TcpAnswer::Done));
    assert_eq!(name(&open.call(send(1)).await), "limit");
    // All of them end with the attempt.
    drop(open);
    until("they are closed", || async {
        (peer.connections() == (3, 3)).then_some(())
    })
    .await;
    assert!(peer.said().contains(&"a".repeat(100)));
}

#[tokio::test]
async fn nobody_looks_up_for_ever() {
    let open = open(&[("a.test", &[ELSEWHERE])], &["tcp a.test:1"]);
    for _ in 0..BEGUN {
        look_up(&open, "a.test").await.unwrap();
    }
    assert_eq!(name(&look_up(&open, "a.test").await), "limit");
    let to = SocketAddr::new(ELSEWHERE.parse().unwrap(), 1);
    assert_eq!(name(&connect(&open, to).await), "limit");
}

#[tokio::test]
async fn nobody_there_is_said_as_such() {
    // The others' ports are above.
    let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let granted = format!("tcp private {address}");
    let open = open(&[], &[&granted]);
    assert_eq!(name(&connect(&open, address).await), "refused");
}
